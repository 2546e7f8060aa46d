// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net/netip"

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
	for _, p := range probed {
		for _, esn := range []bool{false, true} {
			s := d.tryState(netip.AddrFrom4([4]byte{192, 0, 2, 0}), esn) // RFC 5737
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
				continue
			}
			break
		}
	}
	if err := d.probeEncap6(); err != nil {
		return err
	}
	if len(missing) > 0 {
		d.opts.Log.Warn("algorithms that this kernel does not have; child SAs with them will fail", "missing", missing)
	}
	if len(missing) == len(probed) {
		return errors.Join(ipsec.ErrAlgorithm, errors.New("the kernel has none of the algorithms (CONFIG_INET_ESP, CONFIG_CRYPTO_GCM)"))
	}
	return nil
}

// tryState is a state between addresses that nobody has, with an SPI that is never chosen.
func (d *DataPlane) tryState(nobody netip.Addr, esn bool) *xfrm.State {
	return &xfrm.State{
		ID: xfrm.ID{Dst: nobody, SPI: 255}, Src: nobody, ESN: esn, Replay: xfrm.Replay{Window: outWindow}, IfID: d.opts.InterfaceID,
	}
}

// probeEncap6 learns whether the kernel has ESP in UDP over IPv6. Before Linux 5.8 it has not, and would take the packets of such a socket for IPv4.
func (d *DataPlane) probeEncap6() error {
	for _, encap := range []*xfrm.Encap{nil, {SrcPort: 4500, DstPort: 4500}} {
		s := d.tryState(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8}), false) // RFC 3849
		a, err := newAlgorithms(s.SPI, probed[0].alg, ipsec.Keys{Encr: make([]byte, probed[0].encr)}, false)
		if err != nil {
			return err
		}
		s.AEAD, s.Encap = a.aead, encap
		if err := d.xfrm.AddState(s); err != nil {
			if encap != nil {
				d.opts.Log.Warn("this kernel is older than Linux 5.8, which has ESP in UDP over IPv6; SAs of UEs that need it, behind a NAT with IPv6, will fail")
			}
			return nil // without IPv6 it refuses both
		}
		d.encap6 = encap != nil
		if err := d.xfrm.DeleteState(s.ID); err != nil {
			return err
		}
	}
	return nil
}
