#include "proxy/inject/azure_shared_key.hpp"

#include <algorithm>

#include "proxy/inject/encoding.hpp"
#include "proxy/inject/options.hpp"
#include "proxy/inject/parameters.hpp"
#include "proxy/inject/times.hpp"

namespace postern::inject {
namespace {

enum class Service : std::uint8_t { blob, queue, file, table };
constexpr std::string_view kServices[] = {"blob", "queue", "file", "table"};
constexpr std::string_view kVersion = "2021-12-02";
constexpr std::string_view kTableVersion = "2019-02-02";  // the last one that Table knows

constexpr std::string_view kDate = "x-ms-date", kVersionField = "x-ms-version";
// Between the verb and the canonicalized headers. Date is empty: x-ms-date stands for it.
constexpr std::string_view kStandard[] = {
    "Content-Encoding",  "Content-Language", "Content-Length", "Content-MD5",         "Content-Type", "",
    "If-Modified-Since", "If-Match",         "If-None-Match",  "If-Unmodified-Since", "Range"};

std::string_view find_field(std::span<const NameValue> fields, std::string_view name) {
  for (const NameValue& field : fields)
    if (wire::iequals(field.name, name)) return field.value;
  return {};
}

// Name and value of each x-ms- field, names in lower case, sorted. White space inside a value that is not quoted counts
// once.
Parameters canonical_headers(std::span<const NameValue> fields) {
  Parameters out;
  for (const NameValue& field : fields) {
    std::string name = lower_case(field.name);
    if (!name.starts_with("x-ms-")) continue;
    std::string value;
    bool quoted = false;
    for (const char c : field.value) {
      const bool blank = c == ' ' || c == '\t';
      quoted = quoted != (c == '"');
      if (blank && !quoted && value.ends_with(' ')) continue;
      value += blank && !quoted ? ' ' : c;
    }
    out.emplace_back(std::move(name), std::move(value));
  }
  std::sort(out.begin(), out.end());
  return out;
}

// "/account/path", then "\nname:value,value" of each parameter; names in lower case, all decoded, sorted.
std::string canonical_resource(std::string_view account, const Inputs& in) {
  std::string out = "/" + std::string(account);
  out.append(in.path.empty() ? "/" : in.path);
  Parameters parameters;
  for (auto& [name, value] : read_parameters(in.query)) parameters.emplace_back(lower_case(name), std::move(value));
  std::sort(parameters.begin(), parameters.end());
  std::string_view last;
  for (const auto& [name, value] : parameters) {
    if (!last.empty() && name == last)
      out += "," + value;
    else
      out += "\n" + name + ":" + value;
    last = name;
  }
  return out;
}

// Table looks at `comp` alone.
std::string table_resource(std::string_view account, const Inputs& in) {
  std::string out = "/" + std::string(account);
  out.append(in.path.empty() ? "/" : in.path);
  for (const auto& [name, value] : read_parameters(in.query))
    if (name == "comp") out += "?comp=" + value;
  return out;
}

std::string string_to_sign(const Inputs& in, std::string_view account, const Parameters& headers) {
  std::string out(in.method);
  for (const std::string_view name : kStandard) {
    const std::string_view value = name.empty() ? name : find_field(in.fields, name);
    out += '\n';
    // A length of 0 is an empty text since 2015-02-21.
    if (name != "Content-Length" || value != "0") out.append(value);
  }
  for (const auto& [name, value] : headers) out += "\n" + name + ":" + value;
  return out + "\n" + canonical_resource(account, in);
}

std::string table_string_to_sign(const Inputs& in, std::string_view account, std::string_view date) {
  std::string out(in.method);
  out.append("\n").append(find_field(in.fields, "Content-MD5"));
  out.append("\n").append(find_field(in.fields, "Content-Type"));
  out.append("\n").append(date).append("\n");
  return out + table_resource(account, in);
}

class AzureInjection final : public Injection {
 public:
  AzureInjection(Service service, std::string version, std::string account, vault::Secret key, std::string placeholder)
      : service_(service),
        version_(std::move(version)),
        account_(std::move(account)),
        key_(std::move(key)),
        placeholder_(std::move(placeholder)) {
    spots_.push_back({Place::header, "Authorization"});
    spots_.push_back({Place::header, std::string(kDate)});
  }

  std::uint8_t needs() const override { return needs_head | needs_target | needs_time; }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return "Azure SharedKey in header Authorization"; }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    out.clear();
    const std::string_view date = out.keep(write_time(TimeFormat::http_date, in.now_ms));
    std::vector<NameValue> fields(in.fields.begin(), in.fields.end());
    out.headers.push_back({kDate, date});
    if (find_field(in.fields, kVersionField).empty()) out.headers.push_back({kVersionField, version_});
    fields.insert(fields.end(), out.headers.begin(), out.headers.end());
    const Parameters headers = canonical_headers(fields);
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (std::adjacent_find(headers.begin(), headers.end(), same) != headers.end()) {
      out.clear();
      return std::unexpected(Error{"", "Each x-ms- field may be sent once where the request is signed."});
    }
    const std::string text =
        service_ == Service::table ? table_string_to_sign(in, account_, date) : string_to_sign(in, account_, headers);
    const std::string signature =
        placeholder_.empty() ? encode(Encoding::base64, hmac(Algorithm::sha256, key_.expose(), text)) : placeholder_;
    out.headers.push_back({"Authorization", out.keep("SharedKey " + account_ + ":" + signature)});
    out.proofs.push_back(out.keep(signature));
    return {};
  }

 private:
  const Service service_;
  const std::string version_, account_;
  const vault::Secret key_;
  const std::string placeholder_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;  // none: a signature is in Changes::proofs
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> make_azure_shared_key(Recipe recipe) {
  Options options(recipe);
  const auto service = options.choice<Service>("service", kServices);
  std::string version = options.text("version", service == Service::table ? kTableVersion : kVersion);
  std::string account = options.text("account");
  if (account.empty()) account = options.needed("keyId");
  // The name of a storage account is 3 to 24 lower-case letters and digits; "-" for what tests and emulators use.
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (recipe.placeholder.empty() && !std::all_of(account.begin(), account.end(), fits))
    options.refuse("sign.account or keyId is not the name of a storage account");
  auto key = recipe.placeholder.empty() ? decode_key(KeyEncoding::base64, options.needed("key"))
                                        : vault::Secret(recipe.placeholder);
  if (!key) options.refuse("the key is not base64");
  if (options.mistake()) return std::unexpected(*options.mistake());
  return std::make_unique<AzureInjection>(service, std::move(version), std::move(account), std::move(*key),
                                          std::move(recipe.placeholder));
}

}  // namespace postern::inject
