// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"reflect"
	"strings"
)

// fieldsOf maps the keys of a struct to its field numbers.
func fieldsOf(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = i
		}
	}
	return fields
}

// keysOf lists the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			keys = append(keys, name)
		}
	}
	return keys
}

// suggest says what an unknown key may have meant: the nearest known key when it is near, else all of them.
func suggest(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if n := editDistance(strings.ToLower(name), strings.ToLower(k)); n < distance {
			best, distance = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "remove it; the keys here are: " + strings.Join(known, ", ")
}

// editDistance is the Levenshtein distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// nounOf and hintOf say what a value of a type is and how it is written.
func nounOf(t reflect.Type) string { return texts[t].noun }
func hintOf(t reflect.Type) string { return texts[t].hint }

var texts = map[reflect.Type]struct{ noun, hint string }{
	reflect.TypeFor[netip.Addr]():   {"an IP address", "write one such as 192.0.2.1 or \"2001:db8::1\", without port or prefix length"},
	reflect.TypeFor[netip.Prefix](): {"an IP prefix", "write one such as 10.60.0.0/16 or \"fd00:60::/64\""},
	reflect.TypeFor[TAC]():          {"a tracking area code", "write 6 hexadecimal digits in quotes, such as \"000001\""},
	reflect.TypeFor[SD]():           {"a slice differentiator", "write 6 hexadecimal digits in quotes, such as \"010203\", or remove the key"},
}
