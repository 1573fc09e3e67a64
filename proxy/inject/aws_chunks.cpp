#include "proxy/inject/aws_chunks.hpp"

#include <algorithm>
#include <vector>

#include "proxy/inject/digest.hpp"

namespace postern::inject {
namespace {

constexpr std::size_t kLongestLine = 4096, kMostTrailers = 32, kSignature = 64;
constexpr std::string_view kExtension = ";chunk-signature=", kTrailerSignature = "x-amz-trailer-signature:";
constexpr const char* kBroken =
    "The body is not aws-chunked as its X-Amz-Content-Sha256 says; send whole, signed chunks.";
constexpr const char* kLarge = "A chunk of the aws-chunked body is larger than 1 MiB; send smaller chunks.";
constexpr const char* kCut = "The aws-chunked body ends before its last chunk; send it whole.";

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

class AwsChunks final : public wire::Transform {
 public:
  explicit AwsChunks(AwsSeed seed) : seed_(std::move(seed)) {}

  void feed(std::string_view in, std::string& out) override {
    while (!in.empty() && broken_ == nullptr) {
      if (state_ == State::data)
        take_data(in, out);
      else
        take_line(in, out);
    }
  }

  void finish(std::string& /*out*/) override {
    if (broken_ == nullptr && state_ != State::done) broken_ = kCut;
  }

  const char* broken() const override { return broken_; }

 private:
  enum class State : std::uint8_t { size, data, trailers, end, done };

  void fail(const char* why) { broken_ = why; }

  void take_line(std::string_view& in, std::string& out) {
    if (state_ == State::done) return fail(kBroken);
    const std::size_t at = in.find('\n');
    const std::string_view piece = in.substr(0, at == in.npos ? in.size() : at + 1);
    if (line_.size() + piece.size() > kLongestLine) return fail(kBroken);
    line_.append(piece);
    in.remove_prefix(piece.size());
    if (at == std::string_view::npos) return;
    const bool whole = state_ == State::trailers || line_.ends_with("\r\n");
    if (!whole) return fail(kBroken);
    if (state_ == State::size)
      size_line(out);
    else if (state_ == State::trailers)
      trailer_line(out);
    else if (line_ == "\r\n")
      end(out);
    else
      return fail(kBroken);
    if (state_ != State::data) line_.clear();
  }

  // "10000;chunk-signature=…\r\n"
  void size_line(std::string& out) {
    const std::string_view line(line_);
    const std::size_t digits = line.find(';');
    if (digits == line.npos || digits > 8 || !is_hex(line.substr(0, digits)) ||
        line.size() != digits + kExtension.size() + kSignature + 2 ||
        line.substr(digits, kExtension.size()) != kExtension ||
        !is_hex(line.substr(digits + kExtension.size(), kSignature)))
      return fail(kBroken);
    const std::size_t size = std::stoul(line_.substr(0, digits), nullptr, 16);
    if (size > kLargestAwsChunk) return fail(kLarge);
    line_.resize(digits);
    data_.clear();
    left_ = size + 2;
    state_ = State::data;
    if (size != 0) return data_.reserve(left_);
    sign_chunk(out);
    state_ = seed_.trailers ? State::trailers : State::end;
  }

  void take_data(std::string_view& in, std::string& out) {
    const std::string_view piece = in.substr(0, left_);
    data_.append(piece);
    left_ -= piece.size();
    in.remove_prefix(piece.size());
    if (left_ != 0) return;
    if (!data_.ends_with("\r\n")) return fail(kBroken);
    sign_chunk(out);
    out.append(data_);
    state_ = State::size;
    line_.clear();
  }

  void end(std::string& out) {
    out.append(line_);
    state_ = State::done;
  }

  void sign_chunk(std::string& out) {
    const std::string_view data = std::string_view(data_).substr(0, data_.size() < 2 ? 0 : data_.size() - 2);
    seed_.signature = sign("AWS4-HMAC-SHA256-PAYLOAD",
                           hex(digest(Algorithm::sha256, "")) + '\n' + hex(digest(Algorithm::sha256, data)));
    out.append(line_).append(kExtension).append(seed_.signature).append("\r\n");
  }

  // Line ends are "\r\n" or "\n", and some clients put an empty line before the signature.
  void trailer_line(std::string& out) {
    std::string_view line(line_);
    line.remove_suffix(line.ends_with("\r\n") ? 2 : 1);
    if (line.starts_with(kTrailerSignature)) {
      const std::string_view rest = line_;
      const std::string_view ending = rest.substr(line.size());
      if (line.size() != kTrailerSignature.size() + kSignature) return fail(kBroken);
      out.append(kTrailerSignature).append(sign_trailers()).append(ending);
      state_ = State::end;
      return;
    }
    const std::size_t colon = line.find(':');
    if (!line.empty() && (colon == line.npos || trailers_.size() == kMostTrailers)) return fail(kBroken);
    if (!line.empty()) trailers_.push_back(canonical(line.substr(0, colon), line.substr(colon + 1)));
    out.append(line_);
  }

  static std::string canonical(std::string_view name, std::string_view value) {
    std::string out(name);
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    while (value.starts_with(' ')) value.remove_prefix(1);
    while (value.ends_with(' ')) value.remove_suffix(1);
    return out.append(":").append(value).append("\n");
  }

  std::string sign_trailers() {
    std::sort(trailers_.begin(), trailers_.end());
    std::string all;
    for (const std::string& line : trailers_) all += line;
    return sign("AWS4-HMAC-SHA256-TRAILER", hex(digest(Algorithm::sha256, all)));
  }

  std::string sign(std::string_view what, std::string_view rest) const {
    std::string text(what);
    text.append("\n").append(seed_.time).append("\n").append(seed_.scope).append("\n").append(seed_.signature);
    text.append("\n").append(rest);
    return hex(hmac(Algorithm::sha256, seed_.key.expose(), text));
  }

  AwsSeed seed_;
  State state_ = State::size;
  std::string line_, data_;  // line_: while in data, the size as the caller wrote it
  std::size_t left_ = 0;     // of the data and the CRLF behind it
  std::vector<std::string> trailers_;
  const char* broken_ = nullptr;
};

}  // namespace

std::unique_ptr<wire::Transform> sign_aws_chunks(AwsSeed seed) {
  return std::make_unique<AwsChunks>(std::move(seed));
}

}  // namespace postern::inject
