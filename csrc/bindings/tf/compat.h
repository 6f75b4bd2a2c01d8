#pragma once

#include <optional>

// Everything in which the versions of TensorFlow differ that an adapter is built for. The build
// says which one it is: GRADOPS_TENSORFLOW is 2021 for TensorFlow 2.21.

#ifndef GRADOPS_TENSORFLOW
#error "GRADOPS_TENSORFLOW must be the version built against, such as 2021 for TensorFlow 2.21"
#elif GRADOPS_TENSORFLOW < 2016
#error "gradops needs TensorFlow 2.16 or later"
#endif

/// How a thread pool of type Pool hands out units of work: one at a time.
#if GRADOPS_TENSORFLOW >= 2020
#define GRADOPS_ONE_BY_ONE(Pool) Pool::SchedulingParams::Fixed(1)
#else
#define GRADOPS_ONE_BY_ONE(Pool) \
  Pool::SchedulingParams(Pool::SchedulingStrategy::kFixedBlockSize, std::nullopt, 1)
#endif

/// Whether XLA calls functions of other libraries with a pool of threads to work on. Without, the
/// ops are refused under XLA, with a message.
#define GRADOPS_XLA_CALLS (GRADOPS_TENSORFLOW >= 2018)

/// Whether XLA says how many threads its pool has.
#define GRADOPS_XLA_POOL_SIZE (GRADOPS_TENSORFLOW >= 2019)

/// The header of xla::XlaBuilder.
#if GRADOPS_TENSORFLOW >= 2019
#define GRADOPS_XLA_BUILDER_H "xla/hlo/builder/xla_builder.h"
#else
#define GRADOPS_XLA_BUILDER_H "xla/client/xla_builder.h"
#endif
