// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// keyLog writes the keys of all SAs in Wireshark's own table formats, for the laboratory.
type keyLog struct {
	mu       sync.Mutex
	ike, esp *os.File
}

var _ ikev2.KeyLogger = (*keyLog)(nil)

func openKeyLog(dir string) (*keyLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	open := func(name string) (*os.File, error) {
		return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	ike, err := open("ikev2_decryption_table")
	if err != nil {
		return nil, err
	}
	esp, err := open("esp_sa")
	if err != nil {
		return nil, errors.Join(err, ike.Close())
	}
	return &keyLog{ike: ike, esp: esp}, nil
}

// IKE writes one IKE SA.
func (k *keyLog) IKE(spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys) {
	if line, ok := suite.WiresharkIKE(spiI, spiR, s, keys); ok {
		k.write(k.ike, line)
	}
}

// Child writes both SAs of a child, with the addresses of its path. After a move it is called again.
func (k *keyLog) Child(c *ikev2.ChildSA) { k.childOn(c, c.Path) }

func (k *keyLog) childOn(c *ikev2.ChildSA, path ikev2.Path) {
	local, remote := path.Local.Addr(), path.Remote.Addr()
	if line, ok := suite.WiresharkESP(remote, local, c.InboundSPI, c.Suite, c.InboundKeys.Encr, c.InboundKeys.Integ); ok {
		k.write(k.esp, line)
	}
	if line, ok := suite.WiresharkESP(local, remote, c.OutboundSPI, c.Suite, c.OutboundKeys.Encr, c.OutboundKeys.Integ); ok {
		k.write(k.esp, line)
	}
}

// write appends one line. The log is a help: an error must not disturb the UE.
func (k *keyLog) write(f *os.File, line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, _ = f.WriteString(line + "\n")
}

func (k *keyLog) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return errors.Join(k.ike.Close(), k.esp.Close())
}
