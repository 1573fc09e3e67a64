#include "proxy/inject/aws_scope.hpp"

#include <algorithm>

#include "proxy/wire/rewrite.hpp"

namespace postern::inject {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == text.npos) return out;
    text.remove_prefix(at + 1);
  }
}

// "AKID/20260101/us-east-1/s3/aws4_request"; an access key id of another maker may itself hold a '/'.
AwsScope scope_of_credential(std::string_view credential) {
  const auto parts = split(credential, '/');
  if (parts.size() < 5 || parts.back() != "aws4_request") return {};
  const std::string_view region = parts[parts.size() - 3], service = parts[parts.size() - 2];
  if (!is_scope_part(region) || !is_scope_part(service)) return {};
  return {std::string(region), std::string(service)};
}

std::vector<std::string> names_of(std::string_view list) {
  std::vector<std::string> out;
  for (const std::string_view name : split(list, ';'))
    if (wire::is_token(name)) out.push_back(lower(name));
  return out;
}

// "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…"
void read_authorization(std::string_view value, AwsHint& hint) {
  constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";
  if (!value.starts_with(algorithm)) return;
  for (std::string_view part : split(value.substr(algorithm.size()), ',')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (part.starts_with("Credential=")) hint.scope = scope_of_credential(part.substr(11));
    if (part.starts_with("SignedHeaders=")) hint.signed_fields = names_of(part.substr(14));
  }
}

void read_query(std::string_view query, AwsHint& hint) {
  AwsHint found;
  for (const std::string_view parameter : split(query, '&')) {
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string name = wire::percent_decode(parameter.substr(0, equals), wire::Plus::space);
    if (!name.starts_with("X-Amz-")) continue;
    const std::string value =
        wire::percent_decode(parameter.substr(std::min(equals + 1, parameter.size())), wire::Plus::space);
    if (name == "X-Amz-Algorithm") found.in_query = value == "AWS4-HMAC-SHA256";
    if (name == "X-Amz-Credential") found.scope = scope_of_credential(value);
    if (name == "X-Amz-SignedHeaders") found.signed_fields = names_of(value);
    if (name == "X-Amz-Expires") found.expires = value;
  }
  if (found.in_query) hint = std::move(found);
}

// us-east-1, ap-southeast-2, us-gov-west-1, cn-north-1, eusc-de-east-1
bool is_region(std::string_view label) {
  const auto parts = split(label, '-');
  const auto letters = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  };
  return parts.size() >= 3 && parts.size() <= 4 && parts.back().size() == 1 && parts.back()[0] >= '1' &&
         parts.back()[0] <= '9' && std::all_of(parts.begin(), parts.end() - 1, letters);
}

// The name in the scope is not always the one in the host.
std::string signing_name(std::string_view label) {
  constexpr std::pair<std::string_view, std::string_view> others[] = {
      {"email", "ses"},
      {"bedrock-runtime", "bedrock"},
      {"bedrock-agent", "bedrock"},
      {"bedrock-agent-runtime", "bedrock"},
      {"lambda-url", "lambda"},
      {"s3-accesspoint", "s3"},
      {"s3-control", "s3"},
      {"s3-website", "s3"},
      {"s3-accelerate", "s3"},
  };
  if (label.ends_with("-fips")) label.remove_suffix(5);
  for (const auto& [host, name] : others)
    if (label == host) return std::string(name);
  return std::string(label);
}

std::string_view without(std::string_view host, std::string_view suffix) {
  return host.ends_with(suffix) ? host.substr(0, host.size() - suffix.size()) : std::string_view();
}

}  // namespace

bool is_scope_part(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

AwsHint read_aws_hint(const Inputs& in) {
  AwsHint hint;
  for (const NameValue& field : in.sent)
    if (wire::iequals(field.name, "Authorization")) read_authorization(field.value, hint);
  if (hint.signed_fields.empty()) read_query(in.sent_query, hint);
  for (const NameValue& field : in.sent)
    if (wire::iequals(field.name, "X-Amz-Content-Sha256")) hint.payload = field.value;
  return hint;
}

AwsScope aws_scope_of_host(std::string_view authority) {
  const std::string host = lower(authority.substr(0, authority.find(':')));
  std::string_view rest;
  AwsScope scope;
  for (const std::string_view suffix : {".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".on.aws"})
    if (rest.empty()) rest = without(host, suffix);
  if (rest.empty()) return {};
  auto labels = split(rest, '.');
  std::erase(labels, "dualstack");
  // service.region, bucket.s3.region, id.execute-api.region; domain.region.es; s3-region; a service of the whole world.
  const std::size_t last = labels.size() - 1;
  if (last >= 1 && is_region(labels[last])) return {std::string(labels[last]), signing_name(labels[last - 1])};
  if (last >= 1 && is_region(labels[last - 1])) return {std::string(labels[last - 1]), signing_name(labels[last])};
  if (labels[last].starts_with("s3-") && is_region(labels[last].substr(3)))
    return {std::string(labels[last].substr(3)), "s3"};
  scope.service = signing_name(labels[last]);
  if (host.ends_with(".amazonaws.com")) scope.region = "us-east-1";
  return scope;
}

}  // namespace postern::inject
