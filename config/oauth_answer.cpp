// How a token endpoint answers: where the tokens are, when they end, what a refusal looks like.
#include <algorithm>

#include <fmt/format.h>

#include "config/decode.hpp"
#include "config/measures.hpp"

namespace postern::config {
namespace {

void read_path(MapReader& in, std::string_view key, std::string& out, Mistakes& mistakes) {
  const Node* node = in.get(key);
  if (!node) return;
  out = scalar(*node, mistakes);
  if (const auto refused = refuse_answer_path(out)) mistakes.add(*node, *refused);
}

OAuthExpiry decode_expiry(const Node& node, std::string what, Mistakes& mistakes) {
  OAuthExpiry out;
  MapReader in(node, std::move(what), mistakes);
  read_path(in, "in", out.in, mistakes);
  read_path(in, "at", out.at, mistakes);
  const Node* unit = in.get("unit");
  out.unit = decode_choice<TimeUnit>(
      unit, {{"s", TimeUnit::seconds}, {"ms", TimeUnit::milliseconds}, {"iso", TimeUnit::iso}}, out.unit, mistakes);
  in.finish();
  if (out.in.empty() && out.at.empty()) mistakes.add(node, "names where the answer says it: in or at");
  if (unit && out.unit == TimeUnit::iso && out.at.empty()) mistakes.add(*unit, "iso is a unit of 'at'");
  return out;
}

void decode_more(const Node& node, OAuthAnswer& out, Mistakes& mistakes) {
  MapReader in(node, "more", mistakes);
  for (const Node& key : node.keys) {
    if (!is_variable_name(key.text)) mistakes.add(key, fmt::format("'{}' is not a variable's name", key.text));
    read_path(in, key.text, out.more[key.text], mistakes);
  }
  in.finish();
}

OAuthPredicate decode_predicate(const Node& node, Mistakes& mistakes) {
  OAuthPredicate out;
  MapReader in(node, "a predicate", mistakes);
  read_path(in, "at", out.at, mistakes);
  if (out.at.empty()) mistakes.add(node, "a predicate needs 'at': where in the answer it looks");
  if (const Node* is = in.get("is")) out.is = scalar(*is, mistakes);
  if (const Node* is_not = in.get("is_not")) out.is_not = scalar(*is_not, mistakes);
  in.finish();
  if (out.is && out.is_not) mistakes.add(node, "a predicate has 'is' or 'is_not'");
  return out;
}

void decode_errors(const Node& node, OAuthErrors& out, Mistakes& mistakes) {
  MapReader in(node, "errors", mistakes);
  if (const Node* when = in.get("when")) {
    const std::vector<Node> one{*when};
    for (const Node& item : when->is_list() ? when->items : one) out.when.push_back(decode_predicate(item, mistakes));
  }
  read_path(in, "code", out.code, mistakes);
  read_path(in, "text", out.text, mistakes);
  if (const Node* names = in.get("rejected")) out.rejected = decode_names(*names, mistakes);
  if (const Node* names = in.get("client")) out.client = decode_names(*names, mistakes);
  if (const Node* names = in.get("transient")) out.transient = decode_names(*names, mistakes);
  in.finish();
}

}  // namespace

std::optional<std::string> refuse_answer_path(std::string_view path) {
  for (const std::string_view place : {"header:", "cookie:"})
    if (path.starts_with(place)) path.remove_prefix(place.size());
  const bool clean = std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!path.empty() && clean && path.size() <= 256) return std::nullopt;
  return fmt::format("'{}' is not a member's name, a pointer like /data/token, header:NAME or cookie:NAME",
                     path.substr(0, 64));
}

OAuthAnswer decode_answer(const Node& node, Mistakes& mistakes) {
  OAuthAnswer out;
  MapReader in(node, "answer", mistakes);
  out.format = decode_choice<Format>(
      in.get("format"),
      {{"detect", Format::detect}, {"json", Format::json}, {"form", Format::form}, {"text", Format::text}}, out.format,
      mistakes);
  read_path(in, "access_token", out.access_token, mistakes);
  read_path(in, "refresh_token", out.refresh_token, mistakes);
  read_path(in, "id_token", out.id_token, mistakes);
  read_path(in, "token_type", out.token_type, mistakes);
  read_path(in, "scope", out.scope, mistakes);
  read_path(in, "account", out.account, mistakes);
  if (const Node* more = in.get("more")) decode_more(*more, out, mistakes);
  if (const Node* expires = in.get("expires")) out.expires = decode_expiry(*expires, "expires", mistakes);
  if (const Node* expires = in.get("refresh_expires"))
    out.refresh_expires = decode_expiry(*expires, "refresh_expires", mistakes);
  if (const Node* lifetime = in.get("default_lifetime")) {
    const auto parsed = parse_duration(scalar(*lifetime, mistakes));
    if (!parsed)
      mistakes.add(*lifetime, parsed.error());
    else
      out.default_lifetime = *parsed;
  }
  if (const Node* errors = in.get("errors")) decode_errors(*errors, out.errors, mistakes);
  in.finish();
  return out;
}

}  // namespace postern::config
