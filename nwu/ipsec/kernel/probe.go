// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// probed are the transforms that are tried at the start, with the lengths of their keys.
var probed = []struct {
	name        string
	alg         ipsec.Algorithms
	encr, integ int
}{
	{"AES-GCM", ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 20, 0},
	{"ChaCha20-Poly1305", ipsec.Algorithms{Encr: ipsec.EncrChaCha20Poly1305}, 36, 0},
	{"AES-CBC with HMAC-SHA1", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96}, 16, 20},
	{"AES-CBC with HMAC-SHA256", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}, 16, 32},
	{"AES-CBC with HMAC-SHA384", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA384_192}, 16, 48},
	{"AES-CBC with HMAC-SHA512", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA512_256}, 16, 64},
}

// probe makes and ends a state of each algorithm. The kernel loads its modules at the first use of each, which takes a while: better now than while the
// first peer waits. What it has not is told. An error is one that has nothing to do with algorithms: nothing would work then.
func (d *DataPlane) probe() error {
	var missing []string
	var had algorithms // some that the kernel has
	for _, p := range probed {
		for _, esn := range []bool{false, true} {
			s := d.tryState(false, esn)
			a, err := newAlgorithms(s.SPI, p.alg, ipsec.Keys{Encr: make([]byte, p.encr), Integ: make([]byte, p.integ)}, esn)
			if err != nil {
				return err
			}
			s.AEAD, s.Crypt, s.Auth = a.aead, a.crypt, a.auth
			switch err := d.xfrm.AddState(s); {
			case errors.Is(err, xfrm.ErrNoAlgorithm):
				missing = append(missing, p.name)
			case err != nil:
				return err
			default:
				if err := d.xfrm.DeleteState(s.ID); err != nil {
					return err
				}
				had = a
				continue
			}
			break
		}
	}
	if len(missing) > 0 {
		d.opts.Log.Warn("algorithms that this kernel does not have; child SAs with them will fail", "missing", missing)
	}
	if len(missing) == len(probed) {
		return errors.Join(ipsec.ErrAlgorithm, errors.New("the kernel has none of the algorithms (CONFIG_INET_ESP, CONFIG_CRYPTO_GCM)"))
	}
	return d.probeEncap6(had)
}

// tryState is a state between addresses that nobody has (RFC 5737, 3849), with an SPI that is never chosen.
func (d *DataPlane) tryState(v6, esn bool) *xfrm.State {
	nobody := netip.AddrFrom4([4]byte{192, 0, 2, byte(d.opts.InterfaceID)})
	if v6 {
		b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		binary.BigEndian.PutUint32(b[12:], d.opts.InterfaceID) // others may try at the same time
		nobody = netip.AddrFrom16(b)
	}
	return &xfrm.State{
		ID: xfrm.ID{Dst: nobody, SPI: 255}, Src: nobody, ESN: esn, Replay: xfrm.Replay{Window: outWindow}, IfID: d.opts.InterfaceID,
	}
}

// errOldEncap6 is of kernels that would take ESP in UDP over IPv6 for IPv4.
var errOldEncap6 = errors.New("this kernel is older than Linux 5.8, which has ESP in UDP over IPv6")

// probeEncap6 learns whether the kernel has ESP in UDP over IPv6; a are algorithms that it has.
func (d *DataPlane) probeEncap6(a algorithms) error {
	for _, encap := range []*xfrm.Encap{nil, {SrcPort: 4500, DstPort: 4500}} {
		s := d.tryState(true, false)
		s.AEAD, s.Crypt, s.Auth, s.Encap = a.aead, a.crypt, a.auth, encap
		err := d.xfrm.AddState(s)
		switch {
		case err == nil:
			if err := d.xfrm.DeleteState(s.ID); err != nil {
				return err
			}
		case errors.Is(err, xfrm.ErrNoSupport):
			d.noEncap6 = fmt.Errorf("this kernel has no ESP over IPv6 (CONFIG_INET6_ESP): %w", err)
			return nil
		case errors.Is(err, unix.EINVAL) && encap != nil:
			d.noEncap6 = errOldEncap6
			return nil
		default:
			return err
		}
	}
	return nil
}

// Usable implements ipsec.PathJudge.
func (d *DataPlane) Usable(p ipsec.Path) error {
	if p.NATT && p.Local.Addr().Is6() && d.noEncap6 != nil {
		return fmt.Errorf("%w: %s: %w", ipsec.ErrPath, p, d.noEncap6)
	}
	return nil
}
