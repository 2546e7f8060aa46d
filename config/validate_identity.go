// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// identity checks the values of an NG SETUP REQUEST against the bounds of TS 38.413 9.2.6.1.
func (d *decoder) identity(n *N3IWF) {
	d.count(len(n.SupportedTAs), 1, 256, "n3iwf.supportedTAs", "tracking area")
	type tai struct {
		plmn PLMN
		nid  NID
		tac  TAC
	}
	seen := map[tai]string{}
	for i, ta := range n.SupportedTAs {
		key := fmt.Sprintf("n3iwf.supportedTAs[%d]", i)
		d.require(ta.TAC != 0xfffffe && ta.TAC != 0, key+".tac", ta.TAC.String()+" is reserved (TS 23.003 19.4.2.3)", "choose 000001 to fffffd")
		d.count(len(ta.PLMNs), 1, 12, key+".plmns", "PLMN")
		for j, p := range ta.PLMNs {
			at := fmt.Sprintf("%s.plmns[%d]", key, j)
			d.plmn(p.PLMN, at+".plmn")
			d.slices(p.Slices, at+".slices")
			t := tai{p.PLMN, p.NID, ta.TAC}
			if first, ok := seen[t]; ok {
				d.require(false, at+".plmn", fmt.Sprintf("the TAI %s-%s stands here and in %s (line %d)", p.PLMN, ta.TAC, first, d.line(first)), "remove one of them, or change its TAC")
			} else if p.PLMN != (PLMN{}) {
				seen[t] = at
			}
		}
	}
	if d.given("n3iwf.globalN3IWFID.plmn") {
		d.plmn(n.GlobalN3IWFID.PLMN, "n3iwf.globalN3IWFID.plmn")
	}
	const printable = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
	d.require(len(n.Name) >= 1 && len(n.Name) <= 150, "n3iwf.name", fmt.Sprintf("has %d characters", len(n.Name)), "give 1 to 150")
	d.require(indexNot(n.Name, printable) < 0, "n3iwf.name",
		fmt.Sprintf("%q has a character outside ASN.1 PrintableString", n.Name), "use letters, digits, space and '()+,-./:=?")
}

func indexNot(s, set string) int {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

func (d *decoder) plmn(p PLMN, key string) {
	if !d.require(p != (PLMN{}), key, "is missing", "give {mcc: \"001\", mnc: \"01\"} with your own numbers") {
		return
	}
	d.require(digits(p.MCC) && len(p.MCC) == 3, key+".mcc", fmt.Sprintf("%q is not a mobile country code", p.MCC), "write 3 digits in quotes")
	d.require(digits(p.MNC) && (len(p.MNC) == 2 || len(p.MNC) == 3), key+".mnc", fmt.Sprintf("%q is not a mobile network code", p.MNC), "write 2 or 3 digits in quotes")
}

func digits(s string) bool { return indexNot(s, "0123456789") < 0 }

func (d *decoder) slices(list []SNSSAI, key string) {
	d.count(len(list), 1, 1024, key, "slice")
	seen := map[SNSSAI]int{}
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		d.require(d.given(at+".sst") || !d.given(at), at+".sst", "is missing", "give the slice/service type, 0 to 255")
		if first, ok := seen[s]; ok {
			d.require(false, at, fmt.Sprintf("is the same slice as entry %d", first), "remove one of them")
		} else {
			seen[s] = i
		}
	}
}
