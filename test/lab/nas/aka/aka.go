// SPDX-License-Identifier: Apache-2.0

// Package aka is 5G-AKA (TS 33.501 clause 6.1.3.2) and the key chain of TS 33.501 annex A, from CK and IK down to
// the NAS keys and K_N3IWF.
package aka

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// Key is a 256-bit key of the chain.
type Key [32]byte

// ServingNetwork returns the serving network name of a PLMN, or of the SNPN with that network identifier (TS 24.501 clause 9.12.1). A two-digit MNC
// gets a leading zero.
func ServingNetwork(mcc, mnc string, nid ...string) string {
	name := fmt.Sprintf("5G:mnc%03s.mcc%s.3gppnetwork.org", mnc, mcc)
	for _, id := range nid {
		if id != "" {
			name += ":" + strings.ToUpper(id)
		}
	}
	return name
}

// kdf is the function of TS 33.220 annex B.2.
func kdf(key []byte, fc byte, params ...[]byte) (out Key) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{fc})
	for _, p := range params {
		h.Write(p)
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(p))))
	}
	h.Sum(out[:0])
	return out
}

// RESStar is RES* and XRES* (annex A.4).
func RESStar(v milenage.Vector, network string, rand [16]byte) [16]byte {
	k := kdf(join(v), 0x6b, []byte(network), rand[:], v.RES[:])
	return [16]byte(k[16:])
}

// HRESStar is HRES* and HXRES*, which the SEAF compares (annex A.5).
func HRESStar(rand, resStar [16]byte) [16]byte {
	h := sha256.Sum256(append(rand[:], resStar[:]...))
	return [16]byte(h[16:])
}

// KAUSF is annex A.2; autn has the concealed sequence number.
func KAUSF(v milenage.Vector, network string, autn [16]byte) Key {
	return kdf(join(v), 0x6a, []byte(network), autn[:6])
}

func join(v milenage.Vector) []byte { return append(v.CK[:], v.IK[:]...) }

// KSEAF is annex A.6.
func KSEAF(kausf Key, network string) Key { return kdf(kausf[:], 0x6c, []byte(network)) }

// KAMF is annex A.7; imsi is the SUPI's digits without "imsi-".
func KAMF(kseaf Key, imsi string, abba []byte) Key {
	return kdf(kseaf[:], 0x6d, []byte(imsi), abba)
}

// KNASenc is the NAS ciphering key for an algorithm (annex A.8).
func KNASenc(kamf Key, algorithm uint8) [16]byte { return knas(kamf, 1, algorithm) }

// KNASint is the NAS integrity key for an algorithm (annex A.8).
func KNASint(kamf Key, algorithm uint8) [16]byte { return knas(kamf, 2, algorithm) }

func knas(kamf Key, distinguisher, algorithm uint8) [16]byte {
	k := kdf(kamf[:], 0x69, []byte{distinguisher}, []byte{algorithm})
	return [16]byte(k[16:])
}

// KN3IWF is the key of non-3GPP access (annex A.9), from the uplink NAS COUNT of the message that made the AMF
// set up the context.
func KN3IWF(kamf Key, uplinkCount uint32) Key { return kaccess(kamf, uplinkCount, 2) }

// KgNB is the key of 3GPP access (annex A.9).
func KgNB(kamf Key, uplinkCount uint32) Key { return kaccess(kamf, uplinkCount, 1) }

func kaccess(kamf Key, count uint32, access byte) Key {
	return kdf(kamf[:], 0x6e, binary.BigEndian.AppendUint32(nil, count), []byte{access})
}
