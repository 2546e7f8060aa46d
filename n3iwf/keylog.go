// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// keyLog writes the keys of all SAs in Wireshark's own table formats, for the laboratory. Its zero value writes nothing.
type keyLog struct {
	on       atomic.Bool
	mu       sync.Mutex
	ike, esp *os.File // nil: off
}

var _ ikev2.KeyLogger = (*keyLog)(nil)

// keyLogFiles are what a keyLog writes to; nil: nothing.
type keyLogFiles struct{ ike, esp *os.File }

func openKeyLogFiles(dir string) (f keyLogFiles, err error) {
	if dir == "" {
		return f, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, err
	}
	open := func(name string) (*os.File, error) {
		return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if f.ike, err = open("ikev2_decryption_table"); err != nil {
		return f, err
	}
	if f.esp, err = open("esp_sa"); err != nil {
		return keyLogFiles{}, errors.Join(err, f.ike.Close())
	}
	return f, nil
}

func (f keyLogFiles) close() error {
	if f.ike == nil {
		return nil
	}
	return errors.Join(f.ike.Close(), f.esp.Close())
}

// use writes to other files from now on; those of before are closed.
func (k *keyLog) use(files keyLogFiles) error {
	k.mu.Lock()
	k.on.Store(files.ike != nil)
	former := keyLogFiles{k.ike, k.esp}
	k.ike, k.esp = files.ike, files.esp
	k.mu.Unlock()
	return former.close()
}

// reloadKeyLog makes the key log what the configuration says.
func (nf *N3IWF) reloadKeyLog(old, next *config.Config) (Change, error) {
	if old.Debug.KeyLog == next.Debug.KeyLog {
		return Change{}, nil
	}
	files, err := openKeyLogFiles(next.Debug.KeyLog)
	if err != nil {
		return Change{}, keyError("debug.keylog", err)
	}
	return Change{Commit: func() { nf.writeKeys(next.Debug.KeyLog, files) }, Undo: func() { _ = files.close() }}, nil // nothing was written
}

// openKeyLog begins the key log with the start.
func (nf *N3IWF) openKeyLog(dir string) error {
	files, err := openKeyLogFiles(dir)
	if err != nil {
		return keyError("debug.keylog", err)
	}
	nf.writeKeys(dir, files)
	return nil
}

func (nf *N3IWF) writeKeys(dir string, files keyLogFiles) {
	if err := nf.keys.use(files); err != nil {
		nf.log.Error("former files of debug.keylog", slog.Any("error", err))
	}
	if dir != "" {
		nf.log.Warn("keys of all UEs are being written; whoever reads them can decrypt everything", slog.String("directory", dir))
	}
}

// IKE writes one IKE SA.
func (k *keyLog) IKE(spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys) {
	if !k.on.Load() {
		return
	}
	if line, ok := suite.WiresharkIKE(spiI, spiR, s, keys); ok {
		k.write(false, line)
	}
}

// Child writes both SAs of a child, with the addresses of its path. After a move it is called again.
func (k *keyLog) Child(c *ikev2.ChildSA) { k.childOn(c, c.Path) }

func (k *keyLog) childOn(c *ikev2.ChildSA, path ikev2.Path) {
	if !k.on.Load() {
		return
	}
	local, remote := path.Local.Addr(), path.Remote.Addr()
	if line, ok := suite.WiresharkESP(remote, local, c.InboundSPI, c.Suite, c.InboundKeys.Encr, c.InboundKeys.Integ); ok {
		k.write(true, line)
	}
	if line, ok := suite.WiresharkESP(local, remote, c.OutboundSPI, c.Suite, c.OutboundKeys.Encr, c.OutboundKeys.Integ); ok {
		k.write(true, line)
	}
}

// write appends one line. The log is a help: an error must not disturb the UE.
func (k *keyLog) write(esp bool, line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.ike
	if esp {
		f = k.esp
	}
	if f != nil {
		_, _ = f.WriteString(line + "\n")
	}
}
