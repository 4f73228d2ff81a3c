// The program file that the guardian runs, or shall run after an upgrade: an open descriptor, so that what
// was examined is what is executed, whatever becomes of the name. Owner: the GuardianApp; main thread.
#pragma once

#include <string>

#include "lb/net/fd.h"

namespace vipward {

class Executable {
 public:
  // The one that runs. `path`: its name when this service was started, for on_disk(); empty: asks the kernel
  // (proc(5), /proc/self/exe). Throws std::system_error.
  static Executable running(std::string path = {});
  // What has that name now. Throws std::system_error.
  Executable on_disk() const;

  // Whether both are one file, not only files with the same in them. False where the kernel does not tell.
  bool is_same_file(const Executable& other) const;

  const std::string& path() const { return path_; }
  // Replaces this process, or a child between fork and exec: one system call. Returns if it fails, leaving
  // errno.
  void execute(char* const* arguments) const;

 private:
  Executable(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Fd file_;
};

}  // namespace vipward
