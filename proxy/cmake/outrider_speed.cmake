# OUTRIDER_DATA_PATH_OPTIONS: what the data path, where the time goes, is compiled with beyond the build type's flags.
# tests/bench/README.md, "Building for speed", has the figures.
set(OUTRIDER_DATA_PATH_OPTIONS "")
if(OUTRIDER_PROFILE STREQUAL "generate")
  list(APPEND OUTRIDER_DATA_PATH_OPTIONS -O3 -fprofile-generate -fprofile-update=prefer-atomic)
  add_link_options(-fprofile-generate)
elseif(OUTRIDER_PROFILE STREQUAL "use")
  # Partial: what was not trained is compiled as ever, not for size.
  list(APPEND OUTRIDER_DATA_PATH_OPTIONS -O3 -fprofile-use -fprofile-correction -fprofile-partial-training -Wno-missing-profile)
endif()

# Compiles `target` that way.
function(outrider_make_fast target)
  target_compile_options(${target} PRIVATE ${OUTRIDER_DATA_PATH_OPTIONS})
  if(OUTRIDER_PROFILE STREQUAL "use")
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION ON)
  endif()
endfunction()
