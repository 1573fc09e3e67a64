#include "proxy/wire/writer.hpp"

#include <algorithm>
#include <charconv>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/field.hpp"

namespace postern::wire {

bool HeadWriter::request_line(std::string_view method, std::string_view target) {
  if (!is_token(method) || target.empty()) return false;
  const char* const end = target.data() + target.size();
  if (skip(kVisible, target.data(), end) != end) return false;
  out_.append(method).append(1, ' ').append(target).append(" HTTP/1.1\r\n");
  return true;
}

bool HeadWriter::status_line(std::uint16_t status, std::string_view reason) {
  if (status < 100 || status > 999 || !is_field_value(reason)) return false;
  char digits[3];
  std::to_chars(digits, digits + 3, status);
  out_.append("HTTP/1.1 ").append(digits, 3).append(1, ' ').append(reason).append("\r\n");
  return true;
}

bool HeadWriter::field(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  parsed_field(name, value);
  return true;
}

void HeadWriter::parsed_field(std::string_view name, std::string_view value) {
  // One growth, then plain copies: a head is mostly this.
  const std::size_t at = out_.size(), size = at + name.size() + value.size() + 4;
  // libstdc++ 12 hands the callback the grown capacity, not the size asked for: the size is ours to return.
  out_.resize_and_overwrite(size, [&](char* bytes, std::size_t) {
    char* to = bytes + at;
    to = std::copy(name.begin(), name.end(), to);
    *to++ = ':';
    *to++ = ' ';
    to = std::copy(value.begin(), value.end(), to);
    *to++ = '\r';
    *to = '\n';
    return size;
  });
}

void HeadWriter::content_length(std::uint64_t length) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, length).ptr;
  parsed_field("Content-Length", {digits, static_cast<std::size_t>(end - digits)});
}

void HeadWriter::end() {
  out_.append("\r\n");
}

std::string_view reason_phrase(std::uint16_t status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 102:
      return "Processing";
    case 103:
      return "Early Hints";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    case 508:
      return "Loop Detected";
    case 511:
      return "Network Authentication Required";
    default:
      return "";
  }
}

}  // namespace postern::wire
