# cmake -DNM=nm -DLIBRARY=lib.so -P CheckCudaSymbols.cmake
#
# Fails, and removes the library, if it expects a symbol of CUDA from some other library. Ours is
# linked statically; were it not, the kernels would run on the stand-ins that TensorFlow's own
# libraries export. A launcher that nobody defined shows here too.
foreach(tool NM LIBRARY)
  if(NOT ${tool})
    message(FATAL_ERROR "gradops: CheckCudaSymbols.cmake needs -D${tool}=...")
  endif()
endforeach()
execute_process(COMMAND "${NM}" -D --undefined-only "${LIBRARY}"
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \n]*[Cc][Uu][Dd][Aa][^ \n]*" found "${symbols}")
if(found)
  file(REMOVE "${LIBRARY}")  # or the next build would take it for finished
  list(JOIN found "\n  " found)
  message(FATAL_ERROR
    "gradops: ${LIBRARY} leaves symbols of CUDA undefined, so they would be those of whatever is "
    "loaded, such as TensorFlow's stand-ins for another CUDA. CUDA::cudart_static must be linked, "
    "and every launcher must be defined in csrc/cuda:\n  ${found}")
endif()
