// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

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

// use writes to files in dir from now on; "" writes nothing any more. An error leaves everything as it was.
func (k *keyLog) use(dir string) error {
	var ike, esp *os.File
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		open := func(name string) (*os.File, error) {
			return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		}
		var err error
		if ike, err = open("ikev2_decryption_table"); err != nil {
			return err
		}
		if esp, err = open("esp_sa"); err != nil {
			return errors.Join(err, ike.Close())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on.Store(dir != "")
	ike, k.ike = k.ike, ike
	esp, k.esp = k.esp, esp
	if ike == nil {
		return nil
	}
	return errors.Join(ike.Close(), esp.Close())
}

// openKeyLog makes the key log what the configuration says.
func (nf *N3IWF) openKeyLog(dir string) error {
	if err := nf.keys.use(dir); err != nil {
		return fmt.Errorf("debug.keylog: %w", err)
	}
	if dir != "" {
		nf.log.Warn("keys of all UEs are being written; whoever reads them can decrypt everything", slog.String("directory", dir))
	}
	return nil
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
