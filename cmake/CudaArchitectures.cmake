# Which GPU architectures to compile for.
#
# GRADOPS_CUDA_ARCHS, else CMAKE_CUDA_ARCHITECTURES or CUDAARCHS of the environment, else
# GRADOPS_CUDA_DEFAULT_ARCHS. An architecture is one of
#   90            machine code (sm_90) and PTX (compute_90), which later drivers compile for later cards
#   90-real       machine code alone         90a, 90a-real, ...   with features of sm_90 alone
#   90-virtual    PTX alone
#   native        machine code for the cards of this machine
#   all           whatever nvcc knows        all-major            of it, the first and those that end in 0
# By default machine code for these, as far as nvcc knows them, and PTX of the last:
set(GRADOPS_CUDA_DEFAULT_ARCHS 75 80 86 89 90 100 120)

# Sets OUT to a list of the first three forms, for CUDA_ARCHITECTURES.
function(gradops_find_cuda_architectures out)
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-arch
    OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9]+" known "${known}")
  list(SORT known COMPARE NATURAL)
  foreach(choice "${GRADOPS_CUDA_ARCHS}" "${CMAKE_CUDA_ARCHITECTURES}" "$ENV{CUDAARCHS}" default)
    string(REGEX MATCHALL "[^ ,;]+" wanted "${choice}")
    if(NOT wanted STREQUAL "")
      break()
    endif()
  endforeach()

  set(found "")
  foreach(architecture IN LISTS wanted)
    if(architecture STREQUAL "default")
      set(chosen ${GRADOPS_CUDA_DEFAULT_ARCHS})
      _gradops_keep_known(chosen "${known}")
      _gradops_real_and_last_virtual(chosen)
    elseif(architecture STREQUAL "all")
      set(chosen ${known})
      _gradops_real_and_last_virtual(chosen)
    elseif(architecture STREQUAL "all-major")
      list(GET known 0 first)
      set(chosen ${known})
      list(FILTER chosen INCLUDE REGEX "0$")
      list(PREPEND chosen ${first})
      list(REMOVE_DUPLICATES chosen)
      _gradops_real_and_last_virtual(chosen)
    elseif(architecture STREQUAL "native")
      _gradops_native(chosen)
    else()
      set(chosen ${architecture})
    endif()
    list(APPEND found ${chosen})
  endforeach()
  list(REMOVE_DUPLICATES found)

  foreach(architecture IN LISTS found)
    string(REGEX REPLACE "^([0-9]+)a?(-real|-virtual)?$" "\\1" number "${architecture}")
    if(NOT number IN_LIST known)
      list(JOIN known " " known)
      message(FATAL_ERROR
        "gradops: no GPU architecture '${architecture}' for nvcc ${GRADOPS_CUDA_VERSION}, which "
        "knows ${known}. GRADOPS_CUDA_ARCHS takes a list of those numbers, each also with -real "
        "or -virtual; or native, all, all-major")
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

function(_gradops_keep_known list known)
  foreach(architecture IN LISTS ${list})
    if(NOT architecture IN_LIST known)
      list(REMOVE_ITEM ${list} ${architecture})
    endif()
  endforeach()
  set(${list} ${${list}} PARENT_SCOPE)
endfunction()

function(_gradops_real_and_last_virtual list)
  list(GET ${list} -1 last)
  list(TRANSFORM ${list} APPEND "-real")
  set(${list} ${${list}} "${last}-virtual" PARENT_SCOPE)
endfunction()

# Sets OUT to what nvidia-smi says of the compute capabilities of this machine's cards, such as "9.0",
# and to nothing where it finds none; OUT_said to all that it says.
function(gradops_find_cuda_capabilities out)
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE capabilities ERROR_VARIABLE error RESULT_VARIABLE result)
  set(${out}_said "${capabilities}${error}" PARENT_SCOPE)
  if(NOT result EQUAL 0 OR NOT capabilities MATCHES "[0-9]\\.[0-9]")
    set(capabilities "")
  endif()
  set(${out} "${capabilities}" PARENT_SCOPE)
endfunction()

function(_gradops_native list)
  gradops_find_cuda_capabilities(capabilities)
  if(NOT capabilities)
    message(FATAL_ERROR "gradops: GPU architecture 'native', but nvidia-smi finds no card here: "
      "name an architecture.\n${capabilities_said}")
  endif()
  string(REPLACE "." "" capabilities "${capabilities}")
  string(REGEX MATCHALL "[0-9]+" found "${capabilities}")
  list(TRANSFORM found APPEND "-real")
  set(${list} ${found} PARENT_SCOPE)
endfunction()
