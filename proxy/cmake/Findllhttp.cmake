# Findllhttp.cmake: gives the target llhttp::llhttp from, in order,
#   1. an upstream CMake package  (llhttp 9: llhttp-config.cmake from libllhttp-dev; not in Debian 12)
#   2. a system library + header  (libllhttp-dev without CMake files, or a hand install; pkg-config libllhttp as a hint)
#   3. C sources from Debian 12's node-llhttp (llhttp 8.1.0), compiled here as a static library.
# Variables: llhttp_FOUND, llhttp_VERSION, llhttp_SOURCE_KIND (config|library|sources)
if(TARGET llhttp::llhttp)
  set(llhttp_FOUND TRUE)
  return()
endif()
set(llhttp_SOURCE_KIND "")

find_package(llhttp CONFIG QUIET NO_MODULE)
foreach(_t llhttp::llhttp_static llhttp::llhttp_shared)
  if(TARGET ${_t} AND NOT TARGET llhttp::llhttp)
    add_library(llhttp::llhttp INTERFACE IMPORTED)
    set_target_properties(llhttp::llhttp PROPERTIES INTERFACE_LINK_LIBRARIES ${_t})
    set(llhttp_SOURCE_KIND config)
  endif()
endforeach()

if(NOT TARGET llhttp::llhttp)
  find_path(llhttp_INCLUDE_DIR NAMES llhttp.h)
  find_library(llhttp_LIBRARY NAMES llhttp)
  if(llhttp_INCLUDE_DIR AND llhttp_LIBRARY)
    add_library(llhttp::llhttp UNKNOWN IMPORTED)
    set_target_properties(llhttp::llhttp PROPERTIES
      IMPORTED_LOCATION "${llhttp_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${llhttp_INCLUDE_DIR}")
    set(llhttp_SOURCE_KIND library)
  endif()
endif()

if(NOT TARGET llhttp::llhttp)
  find_path(llhttp_SOURCE_DIR NAMES llhttp.c PATHS /usr/share PATH_SUFFIXES llhttp NO_DEFAULT_PATH)
  find_path(llhttp_INCLUDE_DIR NAMES llhttp.h
            PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)
  if(llhttp_SOURCE_DIR AND llhttp_INCLUDE_DIR)
    add_library(llhttp_debian STATIC
      ${llhttp_SOURCE_DIR}/llhttp.c ${llhttp_SOURCE_DIR}/api.c ${llhttp_SOURCE_DIR}/http.c)
    # llhttp 8 defaults to LOOSE mode (bare LF line ends, ...): the macro must reach every
    # translation unit that sees the header.
    target_compile_definitions(llhttp_debian PUBLIC LLHTTP_STRICT_MODE=1)
    target_include_directories(llhttp_debian SYSTEM PUBLIC ${llhttp_INCLUDE_DIR})
    set_target_properties(llhttp_debian PROPERTIES
      POSITION_INDEPENDENT_CODE ON C_CLANG_TIDY "" C_CPPCHECK "" C_INCLUDE_WHAT_YOU_USE "")
    target_compile_options(llhttp_debian PRIVATE $<$<C_COMPILER_ID:GNU,Clang>:-w>)
    add_library(llhttp::llhttp ALIAS llhttp_debian)
    set(llhttp_SOURCE_KIND sources)
  endif()
endif()

if(llhttp_INCLUDE_DIR AND EXISTS "${llhttp_INCLUDE_DIR}/llhttp.h")
  file(STRINGS "${llhttp_INCLUDE_DIR}/llhttp.h" _v REGEX "#define LLHTTP_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" llhttp_VERSION "${_v}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(llhttp
  REQUIRED_VARS llhttp_SOURCE_KIND VERSION_VAR llhttp_VERSION
  REASON_FAILURE_MESSAGE "install libllhttp-dev (Debian 13 / Ubuntu 24.04) or node-llhttp (Debian 12)")
mark_as_advanced(llhttp_INCLUDE_DIR llhttp_LIBRARY llhttp_SOURCE_DIR)
