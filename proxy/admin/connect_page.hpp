#pragma once
// The pages of the connect flow: plain HTML that a person reads once. No scripts, nothing from elsewhere; everything
// that came from outside is escaped. Pure.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/admin/http.hpp"

namespace postern::admin {

struct PageForm {
  std::string action = {}, label = {};
  std::vector<std::pair<std::string, std::string>> hidden = {};
  bool quiet = false;           // the second choice
  std::string ask_secret = {};  // a field to type one in, by this name; empty: none
};

struct Page {
  unsigned status = 200;
  std::string title = {};
  std::vector<std::string> says = {};                           // a paragraph each
  std::vector<std::pair<std::string, std::string>> facts = {};  // term and description
  std::vector<PageForm> forms = {};
  std::string code = {};  // a command or a code to copy; empty: none
  std::string link = {};  // an https URL to open; empty: none
};

Response to_response(const Page& page);
// The one file the pages refer to.
inline constexpr std::string_view kStylePath = "/connect/style.css";
Response style_response();

std::string escape_html(std::string_view text);

}  // namespace postern::admin
