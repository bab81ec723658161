#include "discovery/file/file_registry.h"

#include <algorithm>

#include "base/log.h"
#include "config/endpoint_list.h"
#include "config/node.h"
#include "discovery/configured.h"
#include "identity/files.h"

namespace outrider::discovery {

FileRegistry::FileRegistry(net::Loop& control, DnsRegistry& dns, FileEvents& events, milliseconds look)
    : control_(control), dns_(dns), events_(events), look_(look) {}

FileRegistry::~FileRegistry() {
  for (const auto& [service, file] : files_)
    if (file.read) dns_.unwatch(service, *this);
}

void FileRegistry::add(const std::string& service, const std::string& path, const config::Dns& names) {
  File& file = files_[service];
  file.path = path;
  file.names = names;
  file.mark = identity::FileMark::of(path);
  read(service, file);
  if (!again_.armed()) control_.arm(again_, look_);
}

// The mark was taken before the file is read: what changes in between is seen the next time.
void FileRegistry::look() {
  control_.arm(again_, look_);
  for (auto& [service, file] : files_) {
    const auto mark = identity::FileMark::of(file.path);
    if (mark == file.mark) continue;
    file.mark = mark;
    read(service, file);
  }
}

void FileRegistry::read(const std::string& service, File& file) {
  std::vector<config::Endpoint> endpoints;
  const auto text = identity::read_file(file.path, config::kMaxText);
  file.trouble = text ? config::read_endpoint_list(*text, file.path, endpoints) : text.why();
  events_.on_endpoints_file(service, file.trouble.empty());
  if (!file.trouble.empty()) {
    log::warn("a file of endpoints cannot be used, what was there before stays", {{"cluster", service}, {"why", file.trouble}});
    return tell(service, file);
  }
  log::info("endpoints read", {{"cluster", service}, {"file", file.path}, {"endpoints", endpoints.size()}});
  dns_.add(service, instances_of(endpoints), file.names);
  if (!std::exchange(file.read, true)) return dns_.watch(service, *this);
  tell(service, file);  // that it is good again, though it may say the same
}

void FileRegistry::on_instances(const std::string& service, Known known, std::vector<std::shared_ptr<const Instance>> all) {
  File& file = files_[service];
  file.known = known;
  file.all = std::move(all);
  tell(service, file);
}

void FileRegistry::remove(const std::string& service) {
  const auto file = files_.find(service);
  if (file == files_.end()) return;
  if (file->second.read) {
    dns_.unwatch(service, *this);
    dns_.remove(service);
  }
  files_.erase(file);
}

void FileRegistry::tell(const std::string& service, const File& file) {
  for (Watcher* watcher : std::vector<Watcher*>(file.watchers)) tell(service, file, *watcher);
}

void FileRegistry::tell(const std::string& service, const File& file, Watcher& watcher) {
  const bool old = !file.trouble.empty() && !file.all.empty();
  watcher.on_instances(service, old ? Known::Stale : file.known, file.all);
}

void FileRegistry::watch(const std::string& service, Watcher& watcher) {
  File& file = files_[service];
  if (std::find(file.watchers.begin(), file.watchers.end(), &watcher) == file.watchers.end()) file.watchers.push_back(&watcher);
  tell(service, file, watcher);
}

void FileRegistry::unwatch(const std::string& service, Watcher& watcher) {
  if (const auto it = files_.find(service); it != files_.end()) std::erase(it->second.watchers, &watcher);
}

Origin FileRegistry::origin(const std::string& service) const {
  const auto it = files_.find(service);
  if (it == files_.end()) return {};
  const File& file = it->second;
  const std::string nobody = file.all.empty() ? file.path + " lists no endpoints" : "";
  const std::string of_names = file.read ? dns_.origin(service).trouble : "";
  return {"the file " + file.path, !file.trouble.empty() ? file.trouble : !of_names.empty() ? of_names : nobody};
}

}  // namespace outrider::discovery
