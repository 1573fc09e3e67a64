#pragma once
// `sign:` of an auth entry: which scheme signs, and what each scheme may be told. One table, in sign.cpp, with a row a
// scheme; the signers of proxy/inject read what it lets through.
//
// Not part of the room's door. Pure, thread safe.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/decode.hpp"

namespace postern::config {

using Fields = std::map<std::string, FieldSpec>;

// `node` is null where the entry says nothing: the type's first scheme with its defaults. Nothing for a type that does
// not sign. `variables`: those of config, which a text may name; a message may name the credential's `fields`, too.
std::optional<Sign> decode_sign(const Node* node, const Node& entry, std::string_view type, const Names& variables,
                                const Fields& fields, Mistakes& mistakes);

// The same beside a grant, of the requests with what it obtains or of a call to its endpoints. `values`: the names that
// `with` may choose from; without it, the signer's own names among them.
std::optional<Sign> decode_granted_sign(const Node& node, const Names& variables, const Names& values,
                                        Mistakes& mistakes);

// Those of the fields that the signer cannot do without, as it is told: they are required, whatever their entry says.
Names sign_fields(const Sign& sign, const Fields& fields);

// Every scheme of the table: each is the kind of an injection.
Names sign_schemes();

// The options with the variables' values. An option that comes out empty is left out: the signer's default holds. In a
// message the names that the signer fills in stay as `${name}`, and a dollar sign is `$$`.
std::map<std::string, std::string> expand_sign(const Sign& sign, const std::map<std::string, std::string>& variables);

}  // namespace postern::config
