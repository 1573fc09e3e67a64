#include "proxy/inject/combined.hpp"

#include <algorithm>
#include <iterator>

#include "proxy/wire/rewrite.hpp"

namespace postern::inject {
namespace {

bool same_place(const Injection::Spot& a, const Injection::Spot& b) {
  return a.place == b.place && (a.place == Place::header ? wire::iequals(a.name, b.name) : a.name == b.name);
}

// The request as the rules left it, which is what the signer signs.
class Between {
 public:
  Between(const Inputs& in, const Changes& changed) : in_(in), held_(changed.body), fields_() {
    path_.append(changed.path_prefix).append(in.path == "*" && !changed.path_prefix.empty() ? "/" : in.path);
    query_ = '?';  // append_query() sees that there is a query only by its mark
    query_ += in.query;
    if (in.query.empty()) query_.clear();
    for (const NameValue& parameter : changed.query) wire::append_query(query_, parameter.name, parameter.value);
    for (const NameValue& field : in.fields)
      if (!goes(field, changed)) fields_.push_back(field);
    fields_.insert(fields_.end(), changed.headers.begin(), changed.headers.end());
    add_cookies(changed);
    if (changed.body_replaced) {
      length_ = std::to_string(changed.body.size());
      fields_.push_back({"Content-Length", length_});
    }
    if (!changed.content_type.empty()) fields_.push_back({"Content-Type", changed.content_type});
    in_.path = path_;
    in_.query = std::string_view(query_).substr(query_.empty() ? 0 : 1);
    in_.fields = fields_;
    if (!changed.content_type.empty()) in_.content_type = changed.content_type;
    if (!changed.body_replaced) return;
    in_.body = changed.body;
    in_.content_encoding = {};
    if (in_.content != nullptr) in_.content = &held_;
  }
  ~Between() {  // what the rules put in is secret
    vault::wipe(path_);
    vault::wipe(query_);
    vault::wipe(cookies_);
  }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;
  const Inputs& inputs() const { return in_; }

 private:
  static bool goes(const NameValue& field, const Changes& changed) {
    if (!changed.cookies.empty() && wire::iequals(field.name, "Cookie")) return true;
    if (!changed.content_type.empty() && wire::iequals(field.name, "Content-Type")) return true;
    return changed.body_replaced && (describes_body(field.name) || wire::iequals(field.name, "Content-Length"));
  }

  void add_cookies(const Changes& changed) {
    if (changed.cookies.empty()) return;
    for (const NameValue& field : in_.fields)
      if (wire::iequals(field.name, "Cookie")) cookies_.append(cookies_.empty() ? "" : "; ").append(field.value);
    // One that cannot be written ends the request where it is written.
    for (const NameValue& cookie : changed.cookies)
      if (!wire::append_cookie(cookies_, cookie.name, cookie.value)) return;
    fields_.push_back({"Cookie", cookies_});
  }

  Inputs in_;
  HeldContent held_;
  std::string path_, query_, cookies_, length_;
  std::vector<NameValue> fields_;
};

class Combined final : public Injection {
 public:
  Combined(std::unique_ptr<Injection> fields, std::unique_ptr<Injection> signer)
      : fields_(std::move(fields)), signer_(std::move(signer)) {
    for (const Injection* part : {fields_.get(), signer_.get()}) {
      spots_.insert(spots_.end(), part->spots().begin(), part->spots().end());
      for (const vault::Secret& mask : part->masks()) masks_.push_back(mask.clone());
    }
  }

  std::uint8_t needs() const override { return fields_->needs() | signer_->needs(); }
  std::uint8_t needs_of(const Inputs& head) const override { return fields_->needs() | signer_->needs_of(head); }
  const std::vector<Spot>& spots() const override { return spots_; }
  const std::vector<vault::Secret>& masks() const override { return masks_; }
  std::string describe() const override { return fields_->describe() + ", then " + signer_->describe(); }

  std::expected<void, Error> apply(const Inputs& in, Changes& out) const override {
    if (auto applied = fields_->apply(in, out); !applied) return applied;
    Changes added;
    const Between between(in, out);
    if (auto applied = signer_->apply(between.inputs(), added); !applied) {
      out.clear();
      return applied;
    }
    const auto append = [](std::vector<NameValue>& to, const std::vector<NameValue>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(out.headers, added.headers);
    append(out.query, added.query);
    append(out.cookies, added.cookies);
    out.proofs.insert(out.proofs.end(), added.proofs.begin(), added.proofs.end());
    out.transform = std::move(added.transform);
    out.made.splice_after(out.made.before_begin(), added.made);
    return {};
  }

 private:
  const std::unique_ptr<Injection> fields_, signer_;
  std::vector<Spot> spots_;
  std::vector<vault::Secret> masks_;
};

}  // namespace

std::expected<std::unique_ptr<Injection>, std::string> combine(std::unique_ptr<Injection> fields,
                                                               std::unique_ptr<Injection> signer) {
  for (const auto& one : fields->spots())
    for (const auto& other : signer->spots())
      if (same_place(one, other)) return std::unexpected("a rule and the signature both write " + one.name);
  return std::make_unique<Combined>(std::move(fields), std::move(signer));
}

}  // namespace postern::inject
