// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// names tells whether the certificate is one of the identity (RFC 7296 4, RFC 4945 3.1). An ID_KEY_ID or
// ID_DER_ASN1_GN is never in a certificate; such peers authenticate with a shared key.
func names(c *x509.Certificate, id Identity) bool {
	switch id.Type {
	case message.ID_FQDN:
		// No wildcards: the certificate names this host (RFC 4945 3.1.2).
		want, ok := hostName(string(id.Data))
		return ok && slices.ContainsFunc(c.DNSNames, func(have string) bool {
			have, ok := hostName(have)
			return ok && have == want
		})
	case message.ID_RFC822_ADDR:
		return slices.ContainsFunc(c.EmailAddresses, func(have string) bool { return sameMailbox(have, string(id.Data)) })
	case message.ID_IPV4_ADDR, message.ID_IPV6_ADDR:
		want, ok := addressOf(id)
		return ok && slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool {
			have, ok := netip.AddrFromSlice(ip)
			return ok && have.Unmap() == want.Unmap()
		})
	case message.ID_DER_ASN1_DN:
		return sameName(c.RawSubject, id.Data)
	}
	return false
}

// hostName is a DNS name in the form that can be compared; false for what is none, such as a wildcard or an address.
func hostName(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(s, "."))
	if _, err := netip.ParseAddr(s); err == nil || s == "" || len(s) > 253 {
		return "", false
	}
	ok := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	}) < 0
	return s, ok
}

// sameMailbox compares mail addresses: the host without case, the local part with it (RFC 5280 7.5).
func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i > 0 && j > 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

// addressOf reads an address identity; its length must be that of its type.
func addressOf(id Identity) (netip.Addr, bool) {
	if n := len(id.Data); (id.Type == message.ID_IPV4_ADDR) != (n == 4) || (id.Type == message.ID_IPV6_ADDR) != (n == 16) {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(id.Data)
}

// sameName compares distinguished names: types and order exactly, text without its encoding, case and runs of spaces
// (RFC 5280 7.1).
func sameName(a, b []byte) bool {
	if len(b) > maxName {
		return false
	}
	if bytes.Equal(a, b) {
		return len(a) > 0
	}
	var x, y pkix.RDNSequence
	if rest, err := asn1.Unmarshal(a, &x); err != nil || len(rest) > 0 || len(x) == 0 {
		return false
	}
	if rest, err := asn1.Unmarshal(b, &y); err != nil || len(rest) > 0 {
		return false
	}
	return slices.EqualFunc(x, y, func(x, y pkix.RelativeDistinguishedNameSET) bool {
		return slices.EqualFunc(x, y, func(x, y pkix.AttributeTypeAndValue) bool {
			s, ok1 := x.Value.(string)
			t, ok2 := y.Value.(string)
			return ok1 && ok2 && x.Type.Equal(y.Type) && strings.EqualFold(strings.Join(strings.Fields(s), " "), strings.Join(strings.Fields(t), " "))
		})
	})
}

// maxName bounds the distinguished names of peers that are looked into.
const maxName = 4096

// Extended key usages of RFC 4945 5.1.3.12 and the older ones of RFC 2459.
var ikeUsages = []asn1.ObjectIdentifier{
	{1, 3, 6, 1, 5, 5, 7, 3, 17}, // ipsecIKE
	{1, 3, 6, 1, 5, 5, 7, 3, 5},  // ipsecEndSystem
	{1, 3, 6, 1, 5, 5, 7, 3, 6},  // ipsecTunnel
	{1, 3, 6, 1, 5, 5, 7, 3, 7},  // ipsecUser
	{1, 3, 6, 1, 5, 5, 8, 2, 2},  // iKEIntermediate
}

var errUsage = errors.New("the peer's certificate is not for IKE")

// usable tells whether an end entity's certificate is for IKE.
func usable(c *x509.Certificate) error {
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return fmt.Errorf("%w: its keyUsage has no digitalSignature", errUsage)
	}
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
			x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser:
			return nil
		}
	}
	for _, u := range c.UnknownExtKeyUsage {
		if slices.ContainsFunc(ikeUsages, u.Equal) {
			return nil
		}
	}
	return fmt.Errorf("%w: its extendedKeyUsage names other uses only", errUsage)
}
