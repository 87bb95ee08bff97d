package main

var unitRetention = tests{"retention", "."}

// retentionMutants let pruning take what must stay.
func retentionMutants() []mutant {
	return []mutant{
		{
			name: "retention-newest-goes", what: "the newest revision stays only by a rule",
			file: "retention/plan.go",
			old:  "\t\tcase i == newest:\n\t\t\tb.because(i, Reason{Cause: Newest})\n", new: "\t\tcase newest < 0:\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-newest-trusted-goes", what: "the newest trusted revision stays only by a rule",
			file: "retention/plan.go",
			old:  "\t\tcase i == newestTrusted:\n\t\t\tb.because(i, Reason{Cause: NewestTrusted})\n", new: "\t\tcase newestTrusted < -1:\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-lies-count", what: "what is not trusted takes the place of what is",
			file: "retention/plan.go",
			old:  "\tif len(b.trusted.of) < len(b.all.of) {\n", new: "\tif len(b.trusted.of) > len(b.all.of) {\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-pins-end-by-a-leap", what: "a clock that leapt ends pins",
			file: "retention/plan.go",
			old:  "d.Pin.Until.After(b.all.leap.clock)", new: "d.Pin.Until.After(b.now)",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-within-by-a-leap", what: "a clock that leapt makes everything too old for within",
			file: "retention/plan.go",
			old:  "s.leap.clock.Unix()-int64", new: "b.now.Unix()-int64",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-within-believes-each-clock", what: "within goes by the clock of each revision alone",
			file: "retention/plan.go",
			old:  "reached = reached || begun >= since", new: "reached = begun >= since",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-leap-counts", what: "the newest period counts behind a leap, too",
			file: "retention/newest.go",
			old:  "\t\tif s.leap.found {\n", new: "\t\tif s.leap.found && n < 0 {\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-future-competes", what: "periods to come take the place of those up to now",
			file: "retention/newest.go",
			old:  "\t\tif b.decisions[i].Begun.After(now) {\n", new: "\t\tif b.decisions[i].Begun.After(now) && n < 0 {\n",
			edits: []edit{{"\t\tahead := b.decisions[i].Begun.After(now)\n", "\t\tahead := b.decisions[i].Begun.After(now) && n < 0\n"}},
			tests: []tests{unitRetention},
		},
		{
			name: "retention-no-visits", what: "what a clock that was set back has dated goes at once",
			file: "retention/newest.go",
			old:  "\t\tnewestVisits(s.of, periods, n, s.kept)\n", new: "\t\tnewestVisits(s.of, periods, 0, s.kept)\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-set-back-counts", what: "a period that a clock was set back to counts",
			file: "retention/newest.go",
			old:  "n == 0 || period > (*a)[n-1]", new: "n == 0 || period != (*a)[n-1]",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-one-stay", what: "a clock that comes back to a period takes its newest away",
			file:  "retention/newest.go",
			old:   "\t\tif last >= 0 && (periods[last] != periods[i] || lastAhead != ahead) {\n",
			new:   "\t\tif last >= 0 && (periods[last] < periods[i] && periods[i] == periods[of[len(of)-1]] || lastAhead != ahead) {\n",
			tests: []tests{unitRetention},
		},
		{
			name: "retention-back-within-a-period", what: "a clock that goes back within a period takes its newest away",
			file: "retention/newest.go",
			old:  "\t\t\tkept[of[at-1]], kept[i] = true, true\n", new: "",
			tests: []tests{unitRetention},
		},
	}
}
