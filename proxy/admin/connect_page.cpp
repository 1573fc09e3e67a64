#include "proxy/admin/connect_page.hpp"

namespace postern::admin {
namespace {

// `form-action` names every https origin: browsers apply it to each redirect that follows a form, and an authorize URL
// may lead through several hosts of its provider.
constexpr const char* kPolicy =
    "default-src 'none'; style-src 'self'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'";

constexpr std::string_view kStyle = R"(:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #ffffff; --text: #1a1d21; --faint: #5a6370; --line: #d9dde3; --strong: #1f5fbf; --on: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --card: #1d2126; --text: #e8eaed; --faint: #a3abb5; --line: #363c44; --strong: #8ab4f8; --on: #10141a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main {
  width: 100%; max-width: 30rem; padding: 2rem; border: 1px solid var(--line); border-radius: 12px; background: var(--card);
}
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
dl { margin: 0 0 1.5rem; border-top: 1px solid var(--line); }
dl div { display: flex; gap: 1rem; padding: .5rem 0; border-bottom: 1px solid var(--line); }
dt { flex: 0 0 8rem; color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
code { display: block; margin: 0 0 1rem; padding: .6rem .8rem; border-radius: 8px; background: var(--back); overflow-x: auto; }
form { margin: 0 0 .75rem; }
label { display: block; margin: 0 0 .75rem; }
input[type=password] {
  display: block; width: 100%; margin-top: .25rem; padding: .6rem; font: inherit;
  border: 1px solid var(--faint); border-radius: 8px; background: var(--card); color: inherit;
}
button {
  width: 100%; padding: .7rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  border: 1px solid var(--strong); border-radius: 8px; background: var(--strong); color: var(--on);
}
button.quiet { background: transparent; color: var(--strong); }
a { color: var(--strong); }
button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px; }
footer { color: var(--faint); font-size: .85rem; }
)";

void write_form(std::string& out, const PageForm& form) {
  out += "<form method=\"post\" action=\"" + escape_html(form.action) + "\">\n";
  for (const auto& [name, value] : form.hidden)
    out += "<input type=\"hidden\" name=\"" + escape_html(name) + "\" value=\"" + escape_html(value) + "\">\n";
  if (!form.ask_secret.empty()) {
    out += "<label>Token (pst_…)<input type=\"password\" name=\"" + escape_html(form.ask_secret) +
           "\" required autocomplete=\"off\"></label>\n";
  }
  out += std::string("<button type=\"submit\"") + (form.quiet ? " class=\"quiet\"" : "") + ">" +
         escape_html(form.label) + "</button>\n</form>\n";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Response to_response(const Page& page) {
  const std::string title = escape_html(page.title);
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      title + " – postern</title>\n<link rel=\"stylesheet\" href=\"" + std::string(kStylePath) +
      "\">\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n";
  for (const auto& text : page.says) out += "<p>" + escape_html(text) + "</p>\n";
  if (!page.link.empty()) {
    const std::string link = escape_html(page.link);
    out += "<p><a href=\"" + link + "\" target=\"_blank\" rel=\"noopener noreferrer\">" + link + "</a></p>\n";
  }
  if (!page.code.empty()) out += "<code>" + escape_html(page.code) + "</code>\n";
  if (!page.facts.empty()) {
    out += "<dl>\n";
    for (const auto& [term, text] : page.facts)
      out += "<div><dt>" + escape_html(term) + "</dt><dd>" + escape_html(text) + "</dd></div>\n";
    out += "</dl>\n";
  }
  for (const auto& form : page.forms) write_form(out, form);
  out += "<footer>postern keeps the credential; nobody who uses it sees it.</footer>\n</main>\n</body>\n</html>\n";
  Response response;
  response.status = page.status;
  response.content_type = "text/html; charset=utf-8";
  response.fields.emplace_back("Content-Security-Policy", kPolicy);
  response.body.assign(out.data(), out.size());
  return response;
}

Response style_response() {
  Response response;
  response.content_type = "text/css; charset=utf-8";
  response.body.assign(kStyle.data(), kStyle.size());
  return response;
}

}  // namespace postern::admin
