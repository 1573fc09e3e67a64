#pragma once
// Memory for parsed JSON that is overwritten when it is given back: answers of token endpoints hold tokens. Stateless,
// any thread. Internal.
#include <boost/json/storage_ptr.hpp>

namespace postern::grants {

boost::json::storage_ptr wiping_storage();

}  // namespace postern::grants
