# Whether there are CUDA kernels, and the library of them.
#
# include() decides, before any language is enabled, so that what is wrong is said at once. It sets
#   GRADOPS_CUDA_VERSION    the toolkit's, such as 13.0; empty without CUDA
# gradops_add_cuda(TARGET)  compiles csrc/cuda, links TARGET, a shared library, with all of it, and
#                           checks what came of that

include("${CMAKE_CURRENT_LIST_DIR}/CudaArchitectures.cmake")

set(GRADOPS_CUDA AUTO CACHE STRING
  "CUDA kernels: ON, OFF, or AUTO, where there are a CUDA compiler and a device")
set_property(CACHE GRADOPS_CUDA PROPERTY STRINGS AUTO ON OFF)
set(GRADOPS_CUDA_ARCHS "" CACHE STRING
  "GPU architectures, such as 80;90; empty: a default list, or with AUTO those of the devices here")
set(GRADOPS_CUDA_DEFINES "" CACHE STRING
  "Variants of the CUDA kernels (csrc/cuda/programs/tuning.h), such as GRADOPS_CUDA_FETCH=1;GRADOPS_CUDA_WAVES=0")
set(GRADOPS_CUDA_OLDEST 12.4)

# What setup.py compares with what it named the wheel for.
set(GRADOPS_CUDA_VERSION "" CACHE INTERNAL "")

string(TOUPPER "${GRADOPS_CUDA}" _cuda)
if(NOT _cuda MATCHES "^(AUTO|ON|1|YES|TRUE|OFF|0|NO|FALSE)$")
  message(FATAL_ERROR "gradops: GRADOPS_CUDA must be ON, OFF or AUTO, got '${GRADOPS_CUDA}'")
elseif(_cuda MATCHES "^(OFF|0|NO|FALSE)$")
  message(STATUS "CUDA kernels: none, by GRADOPS_CUDA=${GRADOPS_CUDA}")
  return()
endif()

# Kernels that no device here can run are compiled on request only: they take most of a build's time.
# build_support/gradops_build_backend.py asks the same.
if(_cuda STREQUAL "AUTO")
  gradops_find_cuda_capabilities(_capabilities)
  if(NOT _capabilities)
    message(STATUS "CUDA kernels: none, nvidia-smi finds no device here (GRADOPS_CUDA=ON compiles them)")
    return()
  endif()
  if(NOT GRADOPS_CUDA_ARCHS)
    set(GRADOPS_CUDA_ARCHS native)
  endif()
endif()

# As CMake looks for it, but on PATH alone. build_support/gradops_build_backend.py does the same.
if(NOT CMAKE_CUDA_COMPILER)
  separate_arguments(_compiler UNIX_COMMAND "$ENV{CUDACXX}")
  if(NOT _compiler)
    set(_compiler nvcc)
  endif()
  list(GET _compiler 0 _compiler)
  find_program(CMAKE_CUDA_COMPILER "${_compiler}" PATHS ENV PATH NO_DEFAULT_PATH)
endif()
if(NOT CMAKE_CUDA_COMPILER)
  unset(CMAKE_CUDA_COMPILER CACHE)
  if(_cuda STREQUAL "AUTO")
    message(STATUS "CUDA kernels: none, there is no ${_compiler} on PATH")
    return()
  endif()
  message(FATAL_ERROR
    "gradops: GRADOPS_CUDA=${GRADOPS_CUDA}, but there is no CUDA compiler. Install a CUDA toolkit "
    ">= ${GRADOPS_CUDA_OLDEST} and put its nvcc on PATH or its path in CUDACXX; or build without "
    "CUDA kernels: GRADOPS_CUDA=OFF")
endif()

execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --version
  OUTPUT_VARIABLE _nvcc_version ERROR_VARIABLE _nvcc_error)
if(NOT _nvcc_version MATCHES "release ([0-9]+\\.[0-9]+)")
  message(FATAL_ERROR
    "gradops: ${CMAKE_CUDA_COMPILER} is no nvcc that runs. Set CUDACXX to one of a CUDA toolkit >= "
    "${GRADOPS_CUDA_OLDEST}, or GRADOPS_CUDA=OFF.\n${_nvcc_version}${_nvcc_error}")
endif()
set(GRADOPS_CUDA_VERSION "${CMAKE_MATCH_1}" CACHE INTERNAL "")
if(GRADOPS_CUDA_VERSION VERSION_LESS GRADOPS_CUDA_OLDEST)
  message(FATAL_ERROR
    "gradops: CUDA toolkit ${GRADOPS_CUDA_VERSION} (${CMAKE_CUDA_COMPILER}) is too old: >= "
    "${GRADOPS_CUDA_OLDEST} is needed. Set CUDACXX to the nvcc of a newer one, or GRADOPS_CUDA=OFF")
endif()
gradops_find_cuda_architectures(GRADOPS_CUDA_ARCHITECTURES)
message(STATUS "CUDA kernels: by nvcc ${GRADOPS_CUDA_VERSION} (${CMAKE_CUDA_COMPILER}) for "
  "${GRADOPS_CUDA_ARCHITECTURES}; none with GRADOPS_CUDA=OFF")

# Ours reach the target; those that CMake would choose are for its own check of the compiler alone.
set(CMAKE_CUDA_ARCHITECTURES OFF)
if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}")
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

# Adds FLAG to the options of sources if this nvcc's --help has it.
function(_gradops_nvcc_flag flag)
  string(REGEX MATCH "^--[a-z-]+" name "${flag}")
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --help OUTPUT_VARIABLE help)
  if(help MATCHES "${name} ")
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS "${flag}")
  endif()
endfunction()

function(gradops_add_cuda target)
  file(GLOB sources CONFIGURE_DEPENDS csrc/cuda/*/*.cu)
  add_library(gradops_cuda STATIC ${sources})
  # Headers alone: the options of the C++ sources are not nvcc's.
  target_link_libraries(gradops_cuda PRIVATE gradops_options)
  target_compile_features(gradops_cuda PRIVATE cuda_std_17)
  # No contraction of a * b + c, as on the CPU; all warnings are errors.
  target_compile_options(gradops_cuda PRIVATE
    -O3 -fmad=false -Werror=all-warnings -Wno-deprecated-gpu-targets
    "-Xcompiler=-Wall,-Wextra,-ffp-contract=off,-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}/=")
  target_compile_definitions(gradops_cuda PRIVATE ${GRADOPS_CUDA_DEFINES})
  list(LENGTH GRADOPS_CUDA_ARCHITECTURES count)
  if(count GREATER 1)
    target_compile_options(gradops_cuda PRIVATE --threads=0)  # a thread for each architecture
  endif()
  if(GRADOPS_CUDA_VERSION VERSION_GREATER_EQUAL 13)
    # Under CUDA 12, code compressed like this would not load by drivers before 550.
    _gradops_nvcc_flag(--compress-mode=size ${sources})
  endif()
  # The same code from every run. (Names in unnamed namespaces do depend on the source's folder.)
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME)
    _gradops_nvcc_flag(--frandom-seed=${name} "${source}")
  endforeach()
  set(text "${GRADOPS_CUDA_ARCHITECTURES}")
  list(TRANSFORM text REPLACE "^([0-9a]+)$" "\\1+ptx")
  list(TRANSFORM text REPLACE "-real$" "")
  list(TRANSFORM text REPLACE "-virtual$" "-ptx")
  list(JOIN text " " text)
  foreach(compiled gradops_cuda ${target})
    target_compile_definitions(${compiled} PUBLIC
      GRADOPS_CUDA
      GRADOPS_CUDA_ARCHITECTURES="${text}"
      GRADOPS_CUDA_TOOLKIT="${GRADOPS_CUDA_VERSION}")
  endforeach()
  set_target_properties(gradops_cuda PROPERTIES
    CUDA_ARCHITECTURES "${GRADOPS_CUDA_ARCHITECTURES}"
    CUDA_EXTENSIONS OFF
    CUDA_RUNTIME_LIBRARY None)  # it is linked below
  # All of it: the launchers are for those who link the target.
  target_link_libraries(${target} PRIVATE
    "$<LINK_LIBRARY:WHOLE_ARCHIVE,gradops_cuda>" CUDA::cudart_static)
  add_custom_command(TARGET ${target} POST_BUILD VERBATIM
    COMMAND "${CMAKE_COMMAND}" "-DNM=${CMAKE_NM}" "-DLIBRARY=$<TARGET_FILE:${target}>"
            -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/CheckCudaSymbols.cmake")
endfunction()
