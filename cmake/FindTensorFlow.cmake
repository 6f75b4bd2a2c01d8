# Finds the TensorFlow that Python_EXECUTABLE imports, through tf.sysconfig.
#
#   TensorFlow::Framework   compile flags, system include folder, framework library
#   TensorFlow::Xla         the same with what an XLA kernel needs
#   TensorFlow_VERSION
#
# Nothing is cached: an isolated build gets a TensorFlow in another folder every time.

execute_process(
  COMMAND "${CMAKE_COMMAND}" -E env TF_CPP_MIN_LOG_LEVEL=3 "${Python_EXECUTABLE}"
          "${CMAKE_CURRENT_LIST_DIR}/tensorflow_config.py"
  OUTPUT_VARIABLE _tensorflow_config
  OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_VARIABLE _tensorflow_error
  RESULT_VARIABLE _tensorflow_result)
if(NOT _tensorflow_result EQUAL 0)
  message(FATAL_ERROR
    "gradops: TensorFlow cannot be imported by ${Python_EXECUTABLE}. Install it "
    "(pip install tensorflow-cpu) or build without it (GRADOPS_TF=OFF).\n${_tensorflow_error}")
endif()
list(GET _tensorflow_config 0 TensorFlow_VERSION)
list(GET _tensorflow_config 1 _tensorflow_include)
list(GET _tensorflow_config 2 _tensorflow_library)
list(GET _tensorflow_config 3 _tensorflow_cc_library)
list(SUBLIST _tensorflow_config 4 -1 _tensorflow_flags)
message(STATUS "Found TensorFlow ${TensorFlow_VERSION}: ${_tensorflow_include}")
set(_tensorflow_headers "${_tensorflow_include}")
set(_tensorflow_xla_headers "${_tensorflow_include}/external/highwayhash"
  "${_tensorflow_include}/external/farmhash_archive/src")
if(NOT IS_DIRECTORY "${_tensorflow_include}")
  # A package may have been stripped of them. The target _kernels needs none.
  message(WARNING "gradops: this TensorFlow has no headers, so the op library cannot be built")
  set(_tensorflow_headers "")
  set(_tensorflow_xla_headers "")
endif()

add_library(TensorFlow::Framework SHARED IMPORTED)
set_target_properties(TensorFlow::Framework PROPERTIES
  IMPORTED_LOCATION "${_tensorflow_library}"
  INTERFACE_COMPILE_OPTIONS
    "${_tensorflow_flags};-ffile-prefix-map=${_tensorflow_include}=tensorflow/include"
  INTERFACE_COMPILE_DEFINITIONS NDEBUG
  # System headers, as those of every imported target are: no warnings from them.
  INTERFACE_INCLUDE_DIRECTORIES "${_tensorflow_headers}")

add_library(TensorFlow::Xla SHARED IMPORTED)
set_target_properties(TensorFlow::Xla PROPERTIES
  IMPORTED_LOCATION "${_tensorflow_cc_library}"
  INTERFACE_LINK_LIBRARIES TensorFlow::Framework
  INTERFACE_INCLUDE_DIRECTORIES "${_tensorflow_xla_headers}")
