#include "proxy/wire/chunk.hpp"

#include <algorithm>
#include <charconv>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/field.hpp"

namespace postern::wire {
namespace {

constexpr std::uint32_t kMaxExtensions = 4 * 1024;
constexpr std::uint32_t kMaxTrailers = 8 * 1024;
constexpr std::uint8_t kMaxSizeDigits = 16;

bool names_framing(FieldId id) noexcept {
  return id == FieldId::content_length || id == FieldId::transfer_encoding || id == FieldId::trailer ||
         id == FieldId::host;
}

}  // namespace

const char* ChunkDecoder::size_digit(char c) noexcept {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (++digits_ > kMaxSizeDigits || (left_ >> 59) != 0) return "a chunk size is too large";
    left_ = left_ << 4 | static_cast<unsigned>(digit);
    at_ = At::size;
    return nullptr;
  }
  if (digits_ == 0) return "a chunk size must begin with a hex digit";
  if (c != ';' && c != '\r') return "a chunk size must be hex digits, followed at once by ';' or CRLF";
  at_ = c == ';' ? At::extension_first : At::size_lf;
  if (c == ';') return count_extension();
  return nullptr;
}

const char* ChunkDecoder::count_extension() noexcept {
  return ++extensions_ > kMaxExtensions ? "chunk extensions are longer than 4 KiB in all" : nullptr;
}

// *( ";" token [ "=" ( token / quoted-string ) ] ): what a lenient reader skips is where two readers disagree.
const char* ChunkDecoder::extension_byte(char c) noexcept {
  constexpr const char* kBad = "a chunk extension is not of the form ;name, ;name=token or ;name=\"quoted\"";
  const bool may_end = at_ == At::extension_name || at_ == At::extension_value || at_ == At::extension_after;
  if (c == '\r' && may_end) {
    at_ = At::size_lf;
    return nullptr;
  }
  if (c == ';' && may_end) {
    at_ = At::extension_first;
    return count_extension();
  }
  switch (at_) {
    case At::extension_first:
      if (!is(kToken, c)) return kBad;
      at_ = At::extension_name;
      break;
    case At::extension_name:
      if (!is(kToken, c) && c != '=') return kBad;
      if (c == '=') at_ = At::extension_value_first;
      break;
    case At::extension_value_first:
      if (!is(kToken, c) && c != '"') return kBad;
      at_ = c == '"' ? At::extension_quoted : At::extension_value;
      break;
    case At::extension_value:
      if (!is(kToken, c)) return kBad;
      break;
    case At::extension_quoted:
      if (!is(kValue, c)) return kBad;
      if (c == '"') at_ = At::extension_after;
      if (c == '\\') at_ = At::extension_escaped;
      break;
    case At::extension_escaped:
      if (!is(kValue, c)) return kBad;
      at_ = At::extension_quoted;
      break;
    default:  // extension_after
      return kBad;
  }
  return count_extension();
}

const char* ChunkDecoder::trailer_byte(char c) noexcept {
  if (at_ != At::end_lf && ++trailer_bytes_ > kMaxTrailers) return "trailers are longer than 8 KiB";
  switch (at_) {
    case At::trailer:
      if (c == '\r') {
        at_ = At::end_lf;
        return nullptr;
      }
      if (!is(kToken, c)) return "a trailer line does not begin with a name";
      name_size_ = 0;
      at_ = At::trailer_name;
      [[fallthrough]];
    case At::trailer_name:
      if (is(kToken, c)) {
        if (name_size_ < sizeof name_) name_[name_size_] = c;
        name_size_ = static_cast<std::uint16_t>(name_size_ + 1);
        return nullptr;
      }
      if (c != ':') return "a trailer name is not a token followed at once by a colon";
      if (name_size_ <= sizeof name_ && names_framing(identify_field({name_, name_size_})))
        return "a trailer names framing";
      at_ = At::trailer_value;
      return nullptr;
    case At::trailer_value:
      if (c == '\r')
        at_ = At::trailer_lf;
      else if (!is(kValue, c))
        return "a trailer value holds a control character or a line that does not end with CRLF";
      return nullptr;
    case At::trailer_lf:
      at_ = At::trailer;
      return c == '\n' ? nullptr : "a trailer line must end with CRLF";
    default:  // end_lf
      at_ = At::done;
      return c == '\n' ? nullptr : "the end of the trailers must be CRLF";
  }
}

const char* ChunkDecoder::step(char c) noexcept {
  switch (at_) {
    case At::size_first:
    case At::size:
      return size_digit(c);
    case At::size_lf:
      if (c != '\n') return "a chunk size line must end with CRLF";
      at_ = left_ == 0 ? At::trailer : At::data;
      digits_ = 0;
      return nullptr;
    case At::data_cr:
      at_ = At::data_lf;
      return c == '\r' ? nullptr : "chunk data must be followed by CRLF";
    case At::data_lf:
      at_ = At::size_first;
      return c == '\n' ? nullptr : "chunk data must be followed by CRLF";
    case At::trailer:
    case At::trailer_name:
    case At::trailer_value:
    case At::trailer_lf:
    case At::end_lf:
      return trailer_byte(c);
    default:
      return extension_byte(c);
  }
}

ChunkDecoder::Step ChunkDecoder::next(std::string_view in) noexcept {
  std::size_t i = 0;
  while (true) {
    if (at_ == At::done) return {State::end, i, {}};
    if (at_ == At::failed) return {State::refused, i, {}};
    if (i == in.size()) return {State::more, i, {}};
    if (at_ == At::data) {
      const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - i));
      left_ -= size;
      if (left_ == 0) at_ = At::data_cr;
      return {State::data, i + size, in.substr(i, size)};
    }
    if (const char* wrong = step(in[i]); wrong != nullptr) {
      why_ = {Fault::malformed, wrong};
      at_ = At::failed;
    } else {
      ++i;
    }
  }
}

std::size_t write_chunk_size(std::uint64_t size, char* out) noexcept {
  char* end = std::to_chars(out, out + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

}  // namespace postern::wire
