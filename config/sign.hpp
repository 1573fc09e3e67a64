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

// `node` is null where the entry says nothing: the type's first scheme with its defaults. Nothing for a type that does
// not sign. `variables`: those of config, which a text may name.
std::optional<Sign> decode_sign(const Node* node, const Node& entry, std::string_view type, const Names& variables,
                                Mistakes& mistakes);

// Every scheme of the table: each is the kind of an injection.
Names sign_schemes();

// The options with the variables' values. An option that comes out empty is left out: the signer's default holds. In a
// message the names that the signer fills in stay as `${name}`, and a dollar sign is `$$`.
std::map<std::string, std::string> expand_sign(const Sign& sign, const std::map<std::string, std::string>& variables);

}  // namespace postern::config
