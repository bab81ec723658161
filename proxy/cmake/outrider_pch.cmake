# outrider_pch(NAME HEADERS... [OPTIONS ...] [LINK ...]): a precompiled header that targets may share, for builds from
# nothing, which it makes nearly twice as fast. Off by default: ccache serves daily work better without it.
function(outrider_pch name)
  cmake_parse_arguments(arg "" "" "HEADERS;OPTIONS;LINK" ${ARGN})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(GENERATE OUTPUT ${source} CONTENT "")
  add_library(${name} OBJECT ${source})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()

# Lets `target` read the precompiled header `name`, where there is one.
function(outrider_use_pch target name)
  if(TARGET ${name})
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()
