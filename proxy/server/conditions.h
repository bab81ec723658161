#pragma once

#include <memory>

#include "config/document.h"
#include "exchange/conditions.h"

namespace outrider::server {

// What a rule asks besides host and path; null: nothing. `home`: the own trust domain.
std::shared_ptr<const exchange::Conditions> conditions_of(const config::Conditions& written, const http::RequestKey& sticky,
                                                          const std::string& home);

}  // namespace outrider::server
