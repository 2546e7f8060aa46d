// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

var (
	readme   = flag.String("readme", "", "write the table of this file (README.md) that is about these makers of ESP anew, when all scenarios have passed")
	readmeTo = flag.String("readme-to", "", "to this other file, which is read in its place once it is there")
)

// row is one line of the matrix.
type row struct {
	name         string
	ok           bool
	sent, lost   int
	gap, elapsed time.Duration
}

var matrix struct {
	sync.Mutex
	rows []row
}

func note(r row) {
	matrix.Lock()
	defer matrix.Unlock()
	matrix.rows = append(matrix.rows, r)
}

func printMatrix() {
	if len(matrix.rows) == 0 {
		return
	}
	sort.Slice(matrix.rows, func(i, j int) bool { return matrix.rows[i].name < matrix.rows[j].name })
	failed, sent, lost := 0, 0, 0
	fmt.Printf("\n%-95s %6s %5s %8s\n", "scenario against strongSwan", "pings", "lost", "gap")
	for _, r := range matrix.rows {
		mark := ""
		if !r.ok {
			mark = "FAILED"
			failed++
		}
		sent, lost = sent+r.sent, lost+r.lost
		name := strings.ReplaceAll(strings.TrimPrefix(r.name, "Test"), "_", " ")
		fmt.Printf("%-95s %6d %5d %8s %s\n", name, r.sent, r.lost, r.gap.Round(time.Millisecond), mark)
	}
	fmt.Printf("%d scenarios, %d failed; %d pings, %d lost\n\n", len(matrix.rows), failed, sent, lost)
}

// writeReadme replaces the table that is about these makers of ESP by the scenarios: subject, scenario, and what was lost of the
// pings in each role. The table begins after a line that names the makers and ends before an empty line.
func writeReadme(from, to string) error {
	to = cmp.Or(to, from)
	if _, err := os.Stat(to); err == nil {
		from = to
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	mark := fmt.Sprintf("<!-- charon's ESP: %s, ours: %s -->\n", *charonESP, *ourESP)
	before, rest, ok := strings.Cut(string(text), mark)
	if !ok {
		return fmt.Errorf("%s has no table after %s", from, mark)
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	if after != "" {
		after = "\n" + after
	}
	return os.WriteFile(to, []byte(before+mark+table()+after), 0o644)
}

// table has a line for each scenario.
func table() string {
	cells := map[string]map[role]string{}
	var names []string
	for _, r := range matrix.rows {
		subject, rest, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(r.name, "Test"), "_", " "), "/")
		who, name, _ := strings.Cut(rest, "/")
		key := subject + " | " + name
		if cells[key] == nil {
			cells[key] = map[role]string{}
			names = append(names, key)
		}
		cells[key][role(who)] = "yes"
		if r.sent > 0 {
			cells[key][role(who)] = fmt.Sprintf("%d of %d, %d ms", r.lost, r.sent, r.gap.Milliseconds())
		}
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString("| subject | scenario | charon initiates: pings lost, longest gap | we initiate: pings lost, longest gap |\n|---|---|---|---|\n")
	for _, key := range names {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", key, cells[key][charonInitiates], cells[key][weInitiate])
	}
	return b.String()
}
