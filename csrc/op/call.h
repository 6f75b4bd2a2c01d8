#pragma once

#include <algorithm>

#include "family/inputs.h"
#include "family/params.h"
#include "op/op.h"

namespace gradops {

/// A dense array with its sizes. An input that is not given, or an output that is not wanted, is an
/// empty array of rank 1.
struct Buffer {
  void* data = nullptr;
  Sizes sizes = {0};

  bool IsGiven() const { return sizes.size() != 1 || sizes[0] != 0; }
  bool HasElements() const { return std::find(sizes.begin(), sizes.end(), 0) == sizes.end(); }
};

/// The axis of images or maps that has the channels.
inline size_t ChannelAxis(DataFormatId data_format) {
  return data_format == DataFormatId::kChannelsFirst ? 1 : 3;
}

/// From the sizes of images in the order of the data format.
inline ImageShape MakeShape(const Sizes& sizes, DataFormatId data_format) {
  if (data_format == DataFormatId::kChannelsFirst) {
    return {sizes[0], sizes[1], sizes[2], sizes[3], 1};
  }
  return {sizes[0], 1, sizes[1], sizes[2], sizes[3]};
}

/// A call of an op, which front ends fill in and launchers read by the names of the table. Outputs
/// must not overlap inputs, except for an output that may reuse an input's memory.
struct OpCall {
  const Op* op;
  Dtype dtype;
  LossOptions options;
  std::vector<Buffer> inputs = {}, outputs = {};  // in the order of the table

  /// The data of an input, or null if it is not given.
  template <class M>
  const M* Input(const char* name) const {
    const Buffer& buffer = inputs[op->IndexOf(op->inputs, name)];
    return buffer.IsGiven() ? static_cast<const M*>(buffer.data) : nullptr;
  }
  /// The data of an output, or null if it is not wanted.
  template <class M>
  M* Output(const char* name) const {
    const Buffer& buffer = outputs[op->IndexOf(op->outputs, name)];
    return buffer.IsGiven() ? static_cast<M*>(buffer.data) : nullptr;
  }

  ImageShape Shape() const {
    return MakeShape(inputs[op->ImagesInput()].sizes, options.data_format);
  }
  KernelParams Params() const { return MakeParams(Shape(), options); }

  template <class S>
  LossInputs<S> Inputs() const {
    return {Input<S>("y_true"), Input<S>("y_pred"), Map<ComputeType<S>>("weights"),
            Map<uint8_t>("mask")};
  }
  /// An input with one value per loss: a scalar, or a tensor of the shape of the losses.
  template <class T>
  PerExample<T> PerLoss(const char* name) const {
    const Buffer& buffer = inputs[op->IndexOf(op->inputs, name)];
    const bool is_scalar = buffer.sizes.empty();
    const int axes = AxesOf(Params());
    return {static_cast<const T*>(buffer.data), is_scalar ? 0 : axes,
            is_scalar || axes == 1 ? 0 : 1};
  }

 private:
  template <class M>
  PixelMap<M> Map(const char* name) const {
    const M* const data = Input<M>(name);
    if (data == nullptr) return {};
    const size_t axis = ChannelAxis(options.data_format);
    return {data, inputs[op->IndexOf(op->inputs, name)].sizes[axis] ==
                      inputs[op->ImagesInput()].sizes[axis]};
  }
};

}  // namespace gradops
