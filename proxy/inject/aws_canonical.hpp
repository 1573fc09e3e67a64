#pragma once
// The canonical request of AWS Signature Version 4, part by part (IAM User Guide, "Create a canonical request").
// Internal to inject. Pure.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

// S3 encodes each character of a key once and keeps "." , ".." and "//", which are keys like any others. Other services
// resolve dot segments, drop empty ones, and encode the path as it was sent once more.
enum class AwsPath : std::uint8_t { s3, resolved };
void append_canonical_path(AwsPath kind, std::string_view path, std::string& out);

// Parameters sorted by name, then by value, each encoded anew ('+' is a space); `extra` are raw and belong to them.
void append_canonical_query(std::string_view query, std::span<const NameValue> extra, std::string& out);

// The fields of these names (lower case, sorted, each once), one line a name.
void append_canonical_fields(std::span<const NameValue> fields, std::span<const std::string> names, std::string& out);

}  // namespace postern::inject
