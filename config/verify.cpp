// The call that tests a connection, and the lists of names and statuses that calls share.
#include <algorithm>
#include <charconv>

#include "config/decode.hpp"

namespace postern::config {

std::vector<int> decode_statuses(const Node& node, Mistakes& mistakes) {
  std::vector<int> out;
  const std::vector<Node> one{node};
  for (const Node& item : node.is_list() ? node.items : one) {
    int status = 0;
    std::from_chars(item.text.data(), item.text.data() + item.text.size(), status);
    if (!item.is_scalar() || item.text.size() != 3 || status < 200 || status > 599)
      mistakes.add(item, "expect is an HTTP status of 200 to 599, or a list of them");
    out.push_back(status);
  }
  return out;
}

Names decode_names(const Node& node, Mistakes& mistakes) {
  Names out;
  const std::vector<Node> one{node};
  for (const Node& item : node.is_list() ? node.items : one) {
    std::string text = scalar(item, mistakes);
    if (item.is_scalar() && std::any_of(text.begin(), text.end(), [](char c) { return c < 0x20 || c == 0x7f; }))
      mistakes.add(item, "holds a character that is not visible ASCII");
    out.push_back(std::move(text));
  }
  return out;
}

Verify decode_verify(const Node& node, const Names& variables, Mistakes& mistakes) {
  MapReader in(node, "verify", mistakes);
  Verify verify;
  const Node* get = in.get("get");
  const Node* head = in.get("head");
  const Node* path = get ? get : head;
  if (!path || (get && head)) {
    mistakes.add(node, "verify names one harmless call: get or head");
  } else {
    verify.method = get ? "GET" : "HEAD";
    verify.path = scalar(*path, mistakes);
    const auto parsed = decode_template(*path, &variables, mistakes);
    const bool clean = std::all_of(verify.path.begin(), verify.path.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (parsed && (!verify.path.starts_with('/') || verify.path.starts_with("//") || !clean ||
                   verify.path.find('#') != verify.path.npos))
      mistakes.add(*path, "the path of verify starts with one '/' and holds no spaces or fragment");
  }
  if (const Node* expect = in.get("expect")) verify.expect = decode_statuses(*expect, mistakes);
  if (const Node* headers = in.get("headers")) {
    verify.headers = decode_text_map(*headers, mistakes);
    for (const Node& key : headers->keys)
      if (const auto refused = refuse_header(key.text)) mistakes.add(key, *refused);
  }
  if (const Node* account = in.get("account")) {
    verify.account = scalar(*account, mistakes);
    if (const auto refused = refuse_answer_path(verify.account)) mistakes.add(*account, *refused);
  }
  in.finish();
  return verify;
}

}  // namespace postern::config
