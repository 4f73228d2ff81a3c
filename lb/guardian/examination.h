// Asks a program, before anything is changed, whether it would run with the configuration on disk, and
// whether it understands what the guardian would leave to it: `accept` in a child, which also
// reads the file, so that no slow disk and no odd file holds the guardian's loop. Bounded in time and bytes.
// Owner: a Succession; main thread. The callback may destroy it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/guardian/spawn.h"

namespace vipward {

class Examination {
 public:
  struct Verdict {
    std::vector<std::string> problems;  // empty: accepted
    std::string config_text;            // of an accepted configuration
  };
  static constexpr Duration kLimit = std::chrono::seconds(10);

  // `state`: a descriptor of the state document, read from offset 0. Throws std::system_error if no child can
  // be started.
  Examination(Loop& loop, const Executable& executable, const std::string& config_path, int state,
              std::function<void(Verdict)> on_verdict);
  // Kills what still runs; whoever goes on afterwards calls abort() and waits for the verdict, which reaps
  // it.
  ~Examination();
  void abort();
  Examination(const Examination&) = delete;
  Examination& operator=(const Examination&) = delete;

 private:
  // What the child says on one of its pipes.
  struct Stream {
    Fd end;
    std::size_t limit_bytes = 0;
    std::string text;
    bool overflowed = false;
    std::unique_ptr<Poll> poll;
  };

  void listen(Loop& loop, Stream& stream, Fd end, std::size_t limit_bytes);
  static void read_some(Stream& stream);
  void on_child_ended();
  Verdict verdict(const ChildEnd& end) const;

  std::string program_;  // its path, for messages
  std::function<void(Verdict)> on_verdict_;
  Stream output_;
  Stream complaints_;
  bool late_ = false;
  Child child_;
  std::unique_ptr<Poll> child_end_;
  Timer limit_;
};

}  // namespace vipward
