// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// reloader reads the configuration again, at SIGHUP and when one of its files has changed.
type reloader struct {
	file  string
	nf    *n3iwf.N3IWF
	api   *api.Server
	parts []n3iwf.Part // that change with the network function and api
	set   *logSettings // of log
	log   *slog.Logger
	cfg   *config.Config
}

// lookEvery is how often the files are looked at. Their content counts and not events of the file system: Kubernetes replaces
// mounted files by swapping a link somewhere above them.
const lookEvery = 5 * time.Second

// run works until ctx ends. hangups are the SIGHUPs.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	r.follow(ctx, hangups, tick.C)
}

func (r *reloader) follow(ctx context.Context, hangups <-chan os.Signal, tick <-chan time.Time) {
	seen, again := r.content(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			seen = r.content()
			again = r.reload()
		case <-tick:
			now := r.content()
			if now != seen {
				seen = now
				r.log.Info("a file of the configuration has changed")
				again = r.reload()
			} else if again {
				again = r.reload()
			}
		}
	}
}

// content is a digest of all files that a reload reads.
func (r *reloader) content() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range append(r.cfg.Files(), r.file) {
		text, err := os.ReadFile(name)
		h.Write([]byte{byte(len(name))})
		if err == nil {
			h.Write(text)
		}
		h.Write([]byte{0})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// reload takes all that can change over, or nothing, and says what it cannot. It tells whether to try again although no file changes.
func (r *reloader) reload() (again bool) {
	c, err := config.Load(r.file)
	var changed, later []string
	if err == nil {
		changed, later, err = r.nf.Reload(c, append([]n3iwf.Part{r.api}, r.parts...)...)
		if again = errors.Is(err, n3iwf.ErrTakingOver); again {
			err = fmt.Errorf("%w; it is tried again if this one goes on", err)
		}
		err = config.Locate(r.file, err)
	}
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			r.log.Error("the configuration was not reloaded, the former one stays in use: " + line)
		}
		r.api.Refused(err)
		return again
	}
	r.cfg = c
	if r.set.set(c.Log) {
		r.log.Warn("log level changed", slog.String("level", c.Log.Level))
	}
	r.log.Info("configuration reloaded", slog.Any("changed", changed))
	var taken, restart []string
	for i, where := range config.LocateKeys(r.file, later) {
		if config.ReloadOfKey(later[i]) == config.ReloadTakeOver {
			taken = append(taken, where)
		} else {
			restart = append(restart, where)
		}
	}
	if len(taken) > 0 {
		r.log.Warn("these keys change when another process takes over (SIGUSR2)", slog.Any("keys", taken))
	}
	if len(restart) > 0 {
		r.log.Warn("these keys change with the next start only", slog.Any("keys", restart))
	}
	return false
}
