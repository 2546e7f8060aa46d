// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	metricUsed  = regexp.MustCompile(`\bn3iwf_[a-z0-9_]+`)
	metricNamed = regexp.MustCompile(`"(n3iwf_[a-z0-9_]+)"`)
	suffix      = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// The dashboard and the alert rules ask for metrics that exist.
func TestDashboardAndAlertsNameMetrics(t *testing.T) {
	source, err := os.ReadFile("metrics.go")
	require.NoError(t, err)
	exists := map[string]bool{}
	for _, m := range metricNamed.FindAllStringSubmatch(string(source), -1) {
		exists[m[1]] = true
	}
	require.Greater(t, len(exists), 30)
	used := map[string]bool{}
	for _, file := range []string{"../../deploy/grafana/dashboard.json", "../../deploy/grafana/alerts.yaml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range metricUsed.FindAllString(string(text), -1) {
			name = suffix.ReplaceAllString(name, "")
			require.True(t, exists[name], "%s asks for %s, which does not exist", file, name)
			used[name] = true
		}
	}
	require.Greater(t, len(used), 20)

	text, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			ID      int
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for i, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
		for _, q := range dashboard.Panels[:i] {
			apart := p.GridPos.X >= q.GridPos.X+q.GridPos.W || q.GridPos.X >= p.GridPos.X+p.GridPos.W || p.GridPos.Y >= q.GridPos.Y+q.GridPos.H || q.GridPos.Y >= p.GridPos.Y+p.GridPos.H
			require.True(t, apart, "panels %d and %d overlap", p.ID, q.ID)
		}
	}
}
