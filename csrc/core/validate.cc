#include "core/validate.h"

namespace gradops {
namespace {

std::string NameOf(const std::string& option, int id) {
  for (const OptionNames& row : AllOptions()) {
    if (row.option == option) return row.names[static_cast<size_t>(id)];
  }
  return "";
}

std::string Shown(int64_t size) { return size < 0 ? "unknown" : std::to_string(size); }

std::string ShapeText(const int64_t sizes[4]) {
  std::string text = "[";
  for (int i = 0; i < 4; ++i) text += (i > 0 ? ", " : "") + Shown(sizes[i]);
  return text + "]";
}

}  // namespace

std::string CheckImageSize(const char* argument, int64_t height, int64_t width,
                           const LossOptions& options) {
  const int64_t minimum = MinimumSizeOfImages(
      math::MinimumSize(TapsOf(options.stencil), options.border), options.levels);
  const auto ok = [&](int64_t size) { return size < 0 || size >= minimum; };
  if (ok(height) && ok(width)) return "";
  const std::string scales =
      options.levels.count == 1
          ? ""
          : " for scales=" + std::to_string(options.levels.count) + " with downsample '" +
                NameOf("downsample", static_cast<int>(options.levels.downsample)) + "'";
  return std::string(argument) + " is too small" + scales + ": border '" +
         NameOf("border", static_cast<int>(options.border)) + "' with stencil '" +
         NameOf("stencil", static_cast<int>(options.stencil)) +
         "' needs height and width of at least " + std::to_string(minimum) + ", got height " +
         Shown(height) + " and width " + Shown(width);
}

std::string CheckPixelMap(const char* argument, const int64_t map[4], const int64_t images[4],
                          DataFormatId data_format) {
  const int channel_axis = data_format == DataFormatId::kChannelsFirst ? 1 : 3;
  bool ok = true;
  int64_t expected[4];
  for (int i = 0; i < 4; ++i) {
    expected[i] = i == channel_axis ? 1 : images[i];
    const bool unknown = map[i] < 0 || images[i] < 0;
    ok = ok && (unknown || map[i] == images[i] || (i == channel_axis && map[i] == 1));
  }
  if (ok) return "";
  return std::string(argument) + " must have shape " + ShapeText(expected) + " or " +
         ShapeText(images) + ", got " + ShapeText(map);
}

}  // namespace gradops
