// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// ipsecIKE is id-kp-ipsecIKE (RFC 4945 5.1.3.12), which TS 33.310 6.1.3 wants in certificates of IKE peers.
var ipsecIKE = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}

type certOptions struct {
	dir   string
	ca    string // empty: dir
	owner string // UID:GID, or empty
	names []string
	days  int
	key   string
}

func certCommand() *cobra.Command {
	o := certOptions{}
	cmd := &cobra.Command{
		Use:   "cert --name NAME",
		Short: "Make a lab CA and the N3IWF's certificate: ca.pem, ca.key, n3iwf.pem, n3iwf.key",
		Long: "Make a lab CA and a certificate for the N3IWF with the names and key usages that UEs check (TS 33.310 6.1.3).\n" +
			"UEs get ca.pem; nwu.certificate takes n3iwf.pem and n3iwf.key. When ca.pem and ca.key are there already, they issue the new\n" +
			"certificate, so that UEs need not be touched; other existing files are never overwritten. --ca keeps the CA in a folder of its\n" +
			"own, so that a container can be given the other one, and --owner lets the container's user read the key. Not for production:\n" +
			"a CA's key does not belong on the machine that it certifies.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := o.make(time.Now())
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", ".", "`FOLDER` of the files")
	cmd.Flags().StringVar(&o.ca, "ca", "", "`FOLDER` of ca.pem and ca.key; default: that of --dir")
	cmd.Flags().StringVar(&o.owner, "owner", "", "`UID:GID` that n3iwf.pem and n3iwf.key shall belong to, such as 65532:65532 of the container image; root may do that")
	cmd.Flags().StringArrayVar(&o.names, "name", nil, "FQDN or IP `ADDRESS` by which UEs know the N3IWF; may be given several times, the first one is nwu.identity's default")
	cmd.Flags().IntVar(&o.days, "days", 365, "validity of the certificate")
	cmd.Flags().StringVar(&o.key, "key", "p256", "kind of the key: p256, p384, rsa2048, rsa3072")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

// make writes the files and returns the names of those that are new.
func (o *certOptions) make(now time.Time) ([]string, error) {
	if o.days < 1 || o.days > 3650 {
		return nil, fmt.Errorf("--days %d: choose 1 to 3650", o.days)
	}
	uid, gid, err := o.ownerIDs()
	if err != nil {
		return nil, err
	}
	key, err := o.newKey()
	if err != nil {
		return nil, err
	}
	for _, f := range []string{"n3iwf.pem", "n3iwf.key"} {
		if _, err := os.Stat(filepath.Join(o.dir, f)); err == nil {
			return nil, fmt.Errorf("%s exists; remove it or name another folder with --dir", filepath.Join(o.dir, f))
		}
	}
	if o.ca == "" {
		o.ca = o.dir
	}
	for _, dir := range []string{o.dir, o.ca} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	ca, caKey, made, err := o.authority(now)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: o.names[0]},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, o.days),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{ipsecIKE},
	}
	for _, n := range o.names {
		if a, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	made, err = write(made, filepath.Join(o.dir, "n3iwf"), template, ca, key, caKey)
	if err == nil && o.owner != "" {
		for _, f := range made[len(made)-2:] {
			err = errors.Join(err, os.Chown(f, uid, gid))
		}
	}
	return made, err
}

// ownerIDs reads --owner.
func (o *certOptions) ownerIDs() (uid, gid int, err error) {
	if o.owner == "" {
		return 0, 0, nil
	}
	user, group, _ := strings.Cut(o.owner, ":")
	uid64, errUser := strconv.ParseUint(user, 10, 31)
	gid64, errGroup := strconv.ParseUint(group, 10, 31)
	if errUser != nil || errGroup != nil {
		return 0, 0, fmt.Errorf("--owner %s: want two numbers, such as 65532:65532", o.owner)
	}
	return int(uid64), int(gid64), nil
}

// authority loads the CA of the folder, or makes one.
func (o *certOptions) authority(now time.Time) (*x509.Certificate, crypto.Signer, []string, error) {
	certFile, keyFile := filepath.Join(o.ca, "ca.pem"), filepath.Join(o.ca, "ca.key")
	pair, errCert := os.ReadFile(certFile)
	secret, errKey := os.ReadFile(keyFile)
	switch {
	case errors.Is(errCert, os.ErrNotExist) && errors.Is(errKey, os.ErrNotExist):
	case errCert != nil || errKey != nil:
		return nil, nil, nil, fmt.Errorf("the CA of %s is not whole: %w", o.ca, errors.Join(errCert, errKey))
	default:
		ca, key, err := parseAuthority(pair, secret)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("%s, %s: %w", certFile, keyFile, err)
		}
		return ca, key, nil, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "N3IWF lab CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	made, err := write(nil, filepath.Join(o.ca, "ca"), template, template, key, key)
	if err != nil {
		return nil, nil, nil, err
	}
	// Read back: the certificate has the key identifier that those it issues must name.
	pair, err = os.ReadFile(certFile)
	if err != nil {
		return nil, nil, nil, err
	}
	ca, err := x509.ParseCertificate(firstBlock(pair))
	return ca, key, made, err
}

func parseAuthority(cert, key []byte) (*x509.Certificate, crypto.Signer, error) {
	c, k := firstBlock(cert), firstBlock(key)
	ca, err := x509.ParseCertificate(c)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok || !ca.IsCA {
		return nil, nil, errors.New("not a CA and its key")
	}
	return ca, signer, nil
}

func firstBlock(text []byte) []byte {
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes
	}
	return nil
}

// write issues a certificate and writes it with its key to files that begin with name.
func write(made []string, name string, template, parent *x509.Certificate, key, issuer crypto.Signer) ([]string, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), issuer)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certFile, keyFile := name+".pem", name+".key"
	err = errors.Join(
		writeNew(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		writeNew(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return append(slices.Clone(made), certFile, keyFile), err
}

func (o *certOptions) newKey() (crypto.Signer, error) {
	switch o.key {
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return nil, fmt.Errorf("--key %s: choose p256, p384, rsa2048 or rsa3072", o.key)
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return n.Add(n, big.NewInt(1))
}
