# SPDX-License-Identifier: Apache-2.0
# The ROS wheels export include paths of the machine that built them, and CMake refuses a target with an
# include path that does not exist. At the end of the project's configuration, drop those paths.
# Passed as CMAKE_PROJECT_INCLUDE by tools/setup.sh, so that every CMakeLists.txt stays stock.
function(_drop_missing_include_dirs)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(dirs ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(dirs)
      set(kept)
      foreach(dir IN LISTS dirs)
        if(NOT IS_ABSOLUTE "${dir}" OR EXISTS "${dir}")
          list(APPEND kept "${dir}")
        endif()
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL _drop_missing_include_dirs)
