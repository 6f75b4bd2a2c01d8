# One object library per instruction set, all from csrc/cpu/target_kernels.cc. An instruction set is
# one line here, one in csrc/cpu/targets.h and one in csrc/cpu/targets.cc.

# gradops_add_cpu_target(<library> <namespace> <register bytes> <flags>...)
function(gradops_add_cpu_target library name vector_bytes)
  add_library(gradops_cpu_${name} OBJECT csrc/cpu/target_kernels.cc)
  target_link_libraries(gradops_cpu_${name} PRIVATE gradops_options)
  target_compile_definitions(gradops_cpu_${name} PRIVATE
    GRADOPS_TARGET=${name} GRADOPS_VECTOR_BYTES=${vector_bytes})
  target_compile_options(gradops_cpu_${name} PRIVATE ${ARGN})
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:gradops_cpu_${name}>)
endfunction()

function(gradops_add_cpu_targets library)
  # The platform's own: SSE2 on x86-64, NEON on AArch64.
  gradops_add_cpu_target(${library} baseline 16)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    target_compile_definitions(gradops_options INTERFACE GRADOPS_X86_TARGETS)
    gradops_add_cpu_target(${library} avx2 32 -mavx2 -mfma -mf16c)
    gradops_add_cpu_target(${library} avx512 64
      -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  endif()
endfunction()
