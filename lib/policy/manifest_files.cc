// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <istream>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ciliumcore/policy/manifest.h"
#include "lib/base/status_macros_internal.h"

namespace ciliumcore {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kStandardInput = "-";

bool IsManifest(const std::string& name) {
  if (absl::StartsWith(name, ".")) return false;
  if (absl::StartsWith(name, "kustomization.")) return false;
  return absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") ||
         absl::EndsWith(name, ".json");
}

absl::Status SystemError(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, path);
}

// Adds the manifests below `directory`.
absl::Status ListDirectory(const std::string& directory,
                           std::vector<std::string>& files) {
  std::error_code error;
  std::vector<std::string> found;
  fs::recursive_directory_iterator at(directory, error);
  for (; !error && at != fs::recursive_directory_iterator();
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code ignored;  // a link to nowhere is no file
    if (at->is_directory(ignored)) {
      if (absl::StartsWith(name, ".")) at.disable_recursion_pending();
    } else if (IsManifest(name) && at->is_regular_file(ignored)) {
      found.push_back(at->path().string());
    }
  }
  if (error) return SystemError(directory, error.value());
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory, ": expected a *.yaml, *.yml or *.json, found none"));
  }
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
  return absl::OkStatus();
}

// All that is left of `stream`. Not by its iterators: where the buffer throws,
// as on a failing disk, they throw too.
absl::StatusOr<std::string> ReadAll(const std::string& name,
                                    std::istream& stream) {
  std::string text;
  std::array<char, 64 * 1024> chunk;
  while (stream.read(chunk.data(), chunk.size()) || stream.gcount() > 0) {
    text.append(chunk.data(), static_cast<size_t>(stream.gcount()));
  }
  if (stream.bad()) return SystemError(name, EIO);
  return text;
}

absl::StatusOr<ManifestSource> ReadFile(const std::string& path) {
  if (path == kStandardInput) {
    CC_ASSIGN_OR_RETURN(std::string text, ReadAll(path, std::cin));
    return ManifestSource{.name = path, .text = std::move(text)};
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return SystemError(path, errno);
  CC_ASSIGN_OR_RETURN(std::string text, ReadAll(path, file));
  return ManifestSource{.name = path, .text = std::move(text)};
}

}  // namespace

absl::StatusOr<std::vector<ManifestSource>> ReadManifestFiles(
    absl::Span<const std::string> paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path != kStandardInput && fs::is_directory(path, error)) {
      CC_RETURN_IF_ERROR(ListDirectory(path, files));
    } else {
      files.push_back(path);
    }
  }
  if (std::count(files.begin(), files.end(), kStandardInput) > 1) {
    return absl::InvalidArgumentError(
        "-: expected standard input once, found it again");
  }
  std::vector<ManifestSource> sources;
  for (const std::string& file : files) {
    CC_ASSIGN_OR_RETURN(ManifestSource source, ReadFile(file));
    sources.push_back(std::move(source));
  }
  return sources;
}

}  // namespace ciliumcore
