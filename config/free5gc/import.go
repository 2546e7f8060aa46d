// SPDX-License-Identifier: Apache-2.0

package free5gc

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Note is something that the operator should know about the translation: a key that has no counterpart here, or a value
// that had to be changed or completed.
type Note struct {
	// Line and Key are those of the imported file; 0 and "" when the note is about the whole.
	Line int
	Key  string
	Text string
}

// String returns "line N: key: text".
func (n Note) String() string {
	if n.Key == "" {
		return n.Text
	}
	return fmt.Sprintf("line %d: %s: %s", n.Line, n.Key, n.Text)
}

// Result is a translated configuration.
type Result struct {
	// YAML is the text of a configuration file for this N3IWF.
	YAML []byte
	// Notes are in the order of the imported file's lines.
	Notes []Note
}

// Import translates the text of an n3iwfcfg.yaml. It fails when the text is not such a file; a value that cannot be used
// gives a note, and the check of the result names it again.
func Import(text []byte) (*Result, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := root.get("configuration")
	if c.get("n3iwfInformation") == nil {
		return nil, errors.New("not the configuration of a free5GC N3IWF: it has no configuration.n3iwfInformation")
	}
	i := &importer{}
	i.header()
	i.identity(c.get("n3iwfInformation"))
	i.nwu(c)
	i.n2(c)
	i.n3(c)
	i.logging(root.get("logger"), c)
	root.get("info").markAll()
	i.leftOvers(root)
	slices.SortStableFunc(i.notes, func(a, b Note) int { return cmp.Compare(a.Line, b.Line) })
	return &Result{YAML: []byte(i.out.String()), Notes: i.notes}, nil
}

// importer writes the new file from top to bottom.
type importer struct {
	out   strings.Builder
	notes []Note
}

func (i *importer) line(format string, args ...any) { fmt.Fprintf(&i.out, format+"\n", args...) }

func (i *importer) note(n *node, format string, args ...any) {
	i.notes = append(i.notes, Note{Line: n.line, Key: n.path, Text: fmt.Sprintf(format, args...)})
}

func (i *importer) header() {
	i.line("# Made from the configuration of a free5GC N3IWF. `n3iwf check -c FILE` checks it; the example file shows every other key.")
	i.line("")
}

func (i *importer) identity(info *node) {
	id := info.get("globalN3IWFID")
	i.line("n3iwf:")
	if name := info.get("name").value(); name != "" {
		i.line("  name: %s", quote(i.printable(info.get("name"))))
	}
	i.line("  globalN3IWFID:")
	i.line("    plmn: %s", i.plmn(id.get("plmnID")))
	if n := id.get("n3iwfID"); n.value() != "" {
		i.line("    id: %s", scalar(n.value()))
	}
	i.line("  supportedTAs:")
	for _, ta := range info.get("supportedTAList").items() {
		i.line("    - tac: %s", quote(i.hex(ta.get("tac"), 6)))
		i.line("      plmns:")
		for _, p := range ta.get("broadcastPlmnList").items() {
			i.line("        - plmn: %s", i.plmn(p.get("plmnID")))
			i.slices(p.get("taiSliceSupportList").items())
		}
	}
	i.line("")
}

func (i *importer) slices(list []*node) {
	if len(list) == 0 {
		return
	}
	i.line("          slices:")
	for _, s := range list {
		s := s.get("snssai")
		sst := s.get("sst")
		if sd := s.get("sd"); sd.value() != "" {
			i.line("            - {sst: %s, sd: %s}", scalar(sst.value()), quote(i.hex(sd, 6)))
		} else {
			i.line("            - {sst: %s}", scalar(sst.value()))
		}
	}
}

// plmn writes a PLMN. Zeros in front of an MCC that somebody wrote as a number are gone; an MNC of one digit is
// ambiguous, so it is only pointed at.
func (i *importer) plmn(n *node) string {
	mcc, mnc := n.get("mcc"), n.get("mnc")
	digits := mcc.value()
	for digits != "" && len(digits) < 3 {
		digits = "0" + digits
	}
	second := mnc.value()
	if len(second) == 1 {
		second = "0" + second
		i.note(mnc, "taken for the two-digit code %s", second)
	}
	return fmt.Sprintf("{mcc: %s, mnc: %s}", quote(digits), quote(second))
}

// hex completes a hexadecimal code that was written as a number to its full width.
func (i *importer) hex(n *node, width int) string {
	text := strings.TrimPrefix(strings.ToLower(n.value()), "0x")
	if text == "" || len(text) >= width {
		return text
	}
	full := strings.Repeat("0", width-len(text)) + text
	i.note(n, "completed from %s to %s", text, full)
	return full
}

// printable makes a name fit ASN.1's PrintableString: free5GC's default name has an underscore.
func (i *importer) printable(n *node) string {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 '()+,-./:=?"
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(allowed, r) {
			return r
		}
		return '-'
	}, n.value())
	if name != n.value() {
		i.note(n, "is %s here: the name is an ASN.1 PrintableString (TS 38.413 9.4.5), which has no such character", quote(name))
	}
	return name
}

func (i *importer) nwu(c *node) {
	i.line("nwu:")
	if n := c.get("ikeBindAddress"); i.bound(n, "UEs are served at all addresses of the machine; nwu.addresses names fewer") {
		i.line("  addresses: [%s]", quote(n.value()))
	}
	if n := c.get("fqdn"); n.value() != "" {
		i.line("  identity: %s", quote(n.value()))
	}
	i.line("  certificate:")
	for _, f := range [][2]string{{"chain", "certificate"}, {"key", "privateKey"}} {
		n := c.get(f[1])
		if n == nil {
			continue
		}
		i.line("    %s: %s", f[0], quote(n.value()))
		if !strings.HasPrefix(n.value(), "/") {
			i.note(n, "%s is relative to the folder of the configuration file here, to the working folder there: move the file, or write the whole path", n.value())
		}
	}
	if n := c.get("certificateAuthority"); n != nil {
		i.note(n, "is not needed: put intermediate certificates, if any, into the file of nwu.certificate.chain")
	}
	if n := c.get("ueIpAddressRange"); n.value() != "" {
		i.line("  uePools:")
		i.line("    ipv4: [%s]", quote(n.value()))
	}
	tunnel, port := c.get("ipSecTunnelAddress", "ipSecInterfaceAddress"), c.get("nasTcpPort")
	if tunnel.value() != "" || port.value() != "" {
		i.line("  nas:")
		if tunnel.value() != "" {
			i.line("    ipv4: %s", quote(i.address(tunnel)))
		}
		if port.value() != "" {
			i.line("    port: %s", scalar(port.value()))
		}
	}
	i.line("  ike:")
	i.line("    # free5GC's UE simulator offers SHA-1 only; take \"default\" when all UEs are better than that.")
	i.line("    profile: legacy-lab")
	i.notes = append(i.notes, Note{Text: "nwu.ike.profile is legacy-lab, which accepts SHA-1, because free5GC's UE simulator offers nothing else; use default where you can"})
	i.liveness(c.get("livenessCheck"))
	i.line("")
}

func (i *importer) liveness(n *node) {
	if n == nil {
		return
	}
	enable, period := n.get("enable"), n.get("transFreq")
	switch d, err := time.ParseDuration(period.value()); {
	case strings.EqualFold(enable.value(), "false"):
		i.line("    liveness: {period: 0s}")
	case period != nil && err != nil:
		i.note(period, "%q is not a duration: the default is used", period.value())
	case period != nil:
		i.line("    liveness: {period: %s}", d)
	}
	if tries := n.get("maxRetryTimes"); tries.value() != "" {
		i.line("    retransmission: {tries: %s}", scalar(tries.value()))
	}
}

func (i *importer) n2(c *node) {
	i.line("n2:")
	i.line("  amfs:")
	for _, amf := range c.get("amfSCTPAddresses").items() {
		var list []string
		name := ""
		for _, ip := range amf.get("ip").items() {
			if _, err := netip.ParseAddr(ip.value()); err != nil && name == "" {
				name = ip.value()
				continue
			}
			list = append(list, quote(i.address(ip)))
		}
		switch {
		case name != "" && len(list) == 0:
			i.line("    - name: %s", quote(name))
		case name != "":
			i.note(amf, "%q stands beside addresses: only the addresses are used", name)
			fallthrough
		default:
			i.line("    - addresses: [%s]", strings.Join(list, ", "))
		}
		if port := amf.get("port"); port.value() != "" {
			i.line("      port: %s", scalar(port.value()))
		}
	}
	if n := c.get("n3iwfSctpBindAddress", "sctpBindAddress", "n2BindAddress"); n.value() != "" {
		i.line("  localAddresses: [%s]", quote(i.address(n)))
	}
	i.line("  transport: auto # the kernel's SCTP; modprobe sctp when it is not loaded")
	i.line("")
}

func (i *importer) n3(c *node) {
	if n := c.get("n3iwfGtpBindAddress", "gtpBindAddress"); i.bound(n, "the address that reaches the AMF is taken; n3.addresses names another") {
		i.line("n3:")
		i.line("  addresses: [%s]", quote(n.value()))
		i.line("")
	}
}

// bound tells whether there is an address to bind to. A name, as in containers, is left out, as it is the machine's own; otherwise says what is taken then.
func (i *importer) bound(n *node, otherwise string) bool {
	if n.value() == "" {
		return false
	}
	_, err := netip.ParseAddr(n.value())
	if err != nil {
		i.note(n, "%q is a name: left out, so that %s", n.value(), otherwise)
	}
	return err == nil
}

// address passes an address on, and points at names: they are resolved by whoever has the resolver.
func (i *importer) address(n *node) string {
	if _, err := netip.ParseAddr(n.value()); err != nil {
		i.note(n, "%q is not an IP address: write the address that the name stands for", n.value())
	}
	return n.value()
}

// levels are those of logrus that have other names here.
var levels = map[string]string{"trace": "debug", "debug": "debug", "info": "info", "warn": "warn", "warning": "warn", "error": "error", "fatal": "error", "panic": "error"}

func (i *importer) logging(logger, c *node) {
	level := logger.get("level")
	if level == nil {
		level = logger.get("n3iwf").get("debugLevel")
	}
	if level == nil {
		level = c.get("debugLevel")
	}
	if text, ok := levels[strings.ToLower(level.value())]; ok {
		i.line("log:")
		i.line("  level: %s", text)
	} else if level.value() != "" {
		i.note(level, "%q is not a level: the default is used", level.value())
	}
	for _, name := range []string{"enable", "reportCaller", "ngap", "aper"} {
		logger.get(name).markAll() // one log, one level
	}
	logger.get("n3iwf").get("reportCaller")
	c.get("reportCaller")
}

// reasons say why a known key has no counterpart.
var reasons = map[string]string{
	"xfrminterfacename":  "not carried over: interfaces of the kernel data plane are named by dataPlane",
	"xfrminterfaceid":    "not carried over: interfaces of the kernel data plane are named by dataPlane",
	"ipsecinterfacemark": "not carried over: packets are not marked here",
}

func (i *importer) leftOvers(root *node) {
	root.unread(func(n *node) {
		key := strings.ToLower(n.path[strings.LastIndex(n.path, ".")+1:])
		reason, ok := reasons[key]
		if !ok {
			reason = "unknown here: not carried over"
		}
		i.note(n, "%s", reason)
	})
}

func (n *node) markAll() {
	if n == nil {
		return
	}
	n.used = true
	for _, e := range n.entries {
		e.value.markAll()
	}
	for _, l := range n.list {
		l.markAll()
	}
}

// quote writes text as a double-quoted YAML scalar.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(strings.ToValidUTF8(s, "?")) + `"`
}

// scalar writes a number bare and anything else quoted, so that it is the check of the new file that complains.
func scalar(s string) string {
	if s != "" && strings.Trim(s, "0123456789") == "" {
		return s
	}
	return quote(s)
}
