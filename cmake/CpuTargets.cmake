# The CPU kernels, compiled once per instruction set. To add one, follow avx512 through this file and
# csrc/cpu/launch/targets.cc.
#
# GRADOPS_DEV=ON compiles only the widest one that this machine runs: a change to a kernel is then
# rebuilt in a third of the time. The library is of use on such machines alone.

# gradops_add_cpu_target(<library> <namespace> <register bytes> <flags>...): an object library for each
# type that is computed in and each of two sources, so that they compile side by side.
function(gradops_add_cpu_target library name vector_bytes)
  string(TOUPPER ${name} upper)
  target_compile_definitions(${library} PRIVATE GRADOPS_CPU_${upper})
  foreach(compute IN ITEMS float double)
    set(objects gradops_cpu_${name}_${compute})
    add_library(${objects} OBJECT csrc/cpu/sweeps/target_rows.cc csrc/cpu/sweeps/target_kernels.cc)
    target_link_libraries(${objects} PRIVATE gradops_options)
    target_compile_definitions(${objects} PRIVATE
      GRADOPS_TARGET=${name} GRADOPS_VECTOR_BYTES=${vector_bytes} GRADOPS_COMPUTE=${compute})
    target_compile_options(${objects} PRIVATE ${ARGN})
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()

function(gradops_add_cpu_targets library)
  set(targets baseline)  # the platform's own: SSE2 on x86-64, NEON on AArch64
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    set(targets baseline avx2 avx512)
  endif()
  if(GRADOPS_DEV)
    _gradops_widest_cpu_target(targets)
    message(STATUS "GRADOPS_DEV: CPU kernels for ${targets} alone")
  endif()
  if("baseline" IN_LIST targets)
    gradops_add_cpu_target(${library} baseline 16)
  endif()
  if("avx2" IN_LIST targets)
    gradops_add_cpu_target(${library} avx2 32 -mavx2 -mfma -mf16c)
  endif()
  if("avx512" IN_LIST targets)
    gradops_add_cpu_target(${library} avx512 64
      -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  endif()
endfunction()

# Sets OUT to the last name of the list OUT that this machine runs.
function(_gradops_widest_cpu_target out)
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -march=native -dM -E -x c++ /dev/null
    OUTPUT_VARIABLE macros ERROR_QUIET)
  set(found baseline)
  if("avx2" IN_LIST ${out} AND macros MATCHES "__AVX2__" AND macros MATCHES "__FMA__")
    set(found avx2)
    if(macros MATCHES "__AVX512BW__" AND macros MATCHES "__AVX512DQ__"
        AND macros MATCHES "__AVX512VL__")
      set(found avx512)
    endif()
  endif()
  set(${out} ${found} PARENT_SCOPE)
endfunction()
