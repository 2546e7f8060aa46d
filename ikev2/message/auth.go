// SPDX-License-Identifier: Apache-2.0

package message

import "fmt"

// CertEncoding is the form of a certificate or of a certificate authority (RFC 7296 3.6).
type CertEncoding uint8

// Certificate encodings in use.
const (
	CertX509Signature CertEncoding = 4  // one DER certificate; in CERTREQ SHA-1 hashes of CA public keys
	CertCRL           CertEncoding = 7  // one DER CRL
	CertHashURL       CertEncoding = 12 // SHA-1 hash and URL of a certificate
	CertHashURLBundle CertEncoding = 13
	CertOCSP          CertEncoding = 14 // RFC 4806
)

// Certificate is the CERT payload (RFC 7296 3.6). The end entity's is the first of several.
type Certificate struct {
	Encoding CertEncoding
	Data     []byte
}

func (*Certificate) PayloadType() PayloadType { return PayloadCERT }

func (p *Certificate) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Data...), nil
}

func decodeCertificate(b []byte) (Payload, error) {
	if len(b) < 1 {
		return nil, truncated(PayloadCERT)
	}
	return &Certificate{Encoding: CertEncoding(b[0]), Data: b[1:]}, nil
}

// CertificateRequest is the CERTREQ payload (RFC 7296 3.7).
type CertificateRequest struct {
	Encoding    CertEncoding
	Authorities []byte // for X.509: SHA-1 hashes of the SubjectPublicKeyInfo of trusted CAs, 20 octets each
}

func (*CertificateRequest) PayloadType() PayloadType { return PayloadCERTREQ }

func (p *CertificateRequest) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Authorities...), nil
}

func decodeCertificateRequest(b []byte) (Payload, error) {
	if len(b) < 1 {
		return nil, truncated(PayloadCERTREQ)
	}
	return &CertificateRequest{Encoding: CertEncoding(b[0]), Authorities: b[1:]}, nil
}

// AuthMethod is how an AUTH payload was computed (RFC 7296 3.8, RFC 4754, RFC 7427).
type AuthMethod uint8

// Authentication methods.
const (
	AuthRSA              AuthMethod = 1 // RSASSA-PKCS1-v1_5, with SHA-1
	AuthSharedKey        AuthMethod = 2
	AuthDSS              AuthMethod = 3 // never used here
	AuthECDSA256         AuthMethod = 9
	AuthECDSA384         AuthMethod = 10
	AuthECDSA521         AuthMethod = 11
	AuthNULL             AuthMethod = 13 // RFC 7619
	AuthDigitalSignature AuthMethod = 14 // RFC 7427
)

func (m AuthMethod) String() string {
	switch m {
	case AuthRSA:
		return "RSA"
	case AuthSharedKey:
		return "shared key"
	case AuthDSS:
		return "DSS"
	case AuthECDSA256:
		return "ECDSA P-256"
	case AuthECDSA384:
		return "ECDSA P-384"
	case AuthECDSA521:
		return "ECDSA P-521"
	case AuthNULL:
		return "NULL"
	case AuthDigitalSignature:
		return "digital signature"
	}
	return fmt.Sprintf("auth method %d", uint8(m))
}

// Authentication is the AUTH payload (RFC 7296 3.8).
type Authentication struct {
	Method AuthMethod
	Data   []byte
}

func (*Authentication) PayloadType() PayloadType { return PayloadAUTH }

func (p *Authentication) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Method), 0, 0, 0), p.Data...), nil
}

func decodeAuthentication(b []byte) (Payload, error) {
	if len(b) < 4 {
		return nil, truncated(PayloadAUTH)
	}
	return &Authentication{Method: AuthMethod(b[0]), Data: b[4:]}, nil
}
