package main

import (
	"fmt"
	"strings"
	"time"

	"varve/internal/human"
	"varve/status"
)

func (j *judged) print(p *page) {
	p.line("%s", j.verdict(p))
	rows := j.caseRows(p, "TROUBLE", j.Trouble, p.red)
	rows = append(rows, j.caseRows(p, "WARNING", j.Warnings, p.yellow)...)
	for _, lines := range p.lay(rows, p.prose()) {
		for _, line := range lines {
			p.line("%s", line)
		}
	}
	var lines [][]cell
	for _, job := range j.Running {
		lines = append(lines, []cell{left("RUNNING"), left(job.subject()), left(job.progress(p.now))})
	}
	p.table(lines)
	if j.all {
		p.table(allRows(p, j.Volumes))
	}
	p.table(j.summaryRows(p))
}

func (j *judged) verdict(p *page) markup {
	warnings := formatCount(len(j.Warnings), "warning")
	switch {
	case len(j.Trouble) > 0 && (j.Trouble[0].Kind == status.Dead || j.Trouble[0].Kind == status.Silent):
		text := "NOT SAFE: " + j.Trouble[0].Why
		if j.Troubled > 0 {
			text += fmt.Sprintf("; %d of %s in trouble", j.Troubled, isAre(len(j.Volumes), j.Troubled))
		}
		return p.red(text)
	case len(j.Volumes) == 0 && len(j.Trouble) == 0:
		return markup("no volumes yet " + string(p.arrow()) + " varve backup NAME /dev/VOLUME")
	case j.Verdict == "safe" && j.New == len(j.Volumes):
		return p.yellow("NOT YET SAFE: no volume has a revision")
	case j.Verdict == "safe":
		return p.bold("SAFE: " + all(len(j.Volumes)-j.New))
	case j.Verdict == "warning":
		return p.bold(fmt.Sprintf("SAFE, with %s", warnings))
	}
	text := fmt.Sprintf("NOT SAFE: %d of %s in trouble", j.Troubled, isAre(len(j.Volumes), j.Troubled))
	if j.Troubled == 0 {
		text = "NOT SAFE: the repository is in trouble"
	}
	if len(j.Warnings) > 0 {
		text += ", " + warnings
	}
	return p.red(text)
}

func all(n int) string {
	if n == 1 {
		return "the volume is as safe as was promised"
	}
	return fmt.Sprintf("all %d volumes are as safe as was promised", n)
}

// isAre writes "412 volumes are", of which so many are.
func isAre(of, n int) string {
	if n == 1 || of == 1 {
		return formatCount(of, "volume") + " is"
	}
	return formatCount(of, "volume") + " are"
}

// widest is how wide a page may be.
const widest = 100

// caseRows lists cases, each with what to do on a line of its own.
func (j *judged) caseRows(p *page, title string, cases []judgedCase, paint func(string) markup) (rows [][]cell) {
	if len(cases) == 0 {
		return nil
	}
	heading := []cell{{text: title, paint: paint}, left("VOLUME"), left("LAST GOOD"), left("AGE"), left("PROMISE"), left("WHY, AND WHAT TO DO")}
	if title != "TROUBLE" && len(j.Trouble) > 0 {
		heading = heading[:1]
	}
	rows = append(rows, heading)
	for _, c := range cases {
		good, age, promise := "never", "", ""
		if c.LastGood != nil {
			good, age = formatMinute(*c.LastGood, p.now), formatLong(p.now.Sub(*c.LastGood))
		}
		if c.Promise.is > 0 {
			promise = formatLong(time.Duration(c.Promise.is * float64(time.Second)))
		}
		if c.subject() == "" {
			good = ""
		}
		why := left(c.Why)
		if c.Do != "" {
			why.below = string(p.arrow()) + " " + c.Do
		}
		rows = append(rows, []cell{left(c.Kind.Words()), left(c.subject()), left(good), left(age), left(promise), why})
	}
	return rows
}

// subject is the volume, or what is done with the repository.
func (j *runningJob) subject() string {
	if j.Volume.is == "" {
		return j.Command
	}
	return j.Volume.is.String()
}

// progress says how far a job is, and when it may end.
func (j *runningJob) progress(now time.Time) string {
	took := now.Sub(j.Begun)
	text := "for " + formatDuration(took)
	if j.Volume.is != "" {
		text = j.Command + ", " + text
	}
	if j.Total.is > 0 {
		text = fmt.Sprintf("%d %%  %s", j.Done*100/j.Total.is, human.Part(j.Done, j.Total.is))
	}
	if j.Done > 0 && j.Total.is > 0 && took > time.Second {
		rate := float64(j.Done) / took.Seconds()
		ends := now.Add(time.Duration(float64(j.Total.is-j.Done) / rate * float64(time.Second)))
		text += fmt.Sprintf("  %s  ends ~%s", human.Rate(j.Done, took), ends.Format("15:04"))
	}
	if j.Usual != nil {
		text += fmt.Sprintf(" (usually %s)", formatDuration(time.Duration(*j.Usual*float64(time.Second))))
	}
	return text
}

func allRows(p *page, all []judgedEntry) [][]cell {
	rows := [][]cell{{left("VOLUME"), left("LAST GOOD"), left("AGE"), left("PROMISE"), left("DUE"), left("STATE")}}
	for _, e := range all {
		good, age, promise, due := "never", "", "", ""
		if e.LastGood != nil {
			good, age = formatMinute(*e.LastGood, p.now), formatLong(p.now.Sub(*e.LastGood))
		}
		if e.Promise.is > 0 {
			promise = formatLong(time.Duration(e.Promise.is * float64(time.Second)))
		}
		if e.Due != nil {
			due = formatMinute(*e.Due, p.now)
		}
		rows = append(rows, []cell{left(e.Volume.String()), left(good), left(age), left(promise), left(due), left(status.Kind(e.State).Words())})
	}
	return rows
}

// summaryRows tell what is well, and how the repository is.
func (j *judged) summaryRows(p *page) (rows [][]cell) {
	if len(j.Volumes) > 0 {
		var facts []string
		if j.Oldest != nil {
			facts = append(facts, fmt.Sprintf("oldest %s (%s)", formatLong(p.now.Sub(j.Oldest.LastGood)), j.Oldest.Volume))
		}
		if j.New > 0 {
			facts = append(facts, fmt.Sprintf("%d without a revision yet", j.New))
		}
		if j.Next != nil {
			facts = append(facts, fmt.Sprintf("%d due within a day, next %s at %s", j.DueSoon, j.Next.Volume, formatMinute(j.Next.Due, p.now)))
		}
		if j.Retired > 0 {
			facts = append(facts, fmt.Sprintf("%d retired", j.Retired))
		}
		rows = append(rows, []cell{left("GOOD"), left(strings.TrimSpace(formatCount(j.Good, "volume") + "  " + strings.Join(facts, "   ")))})
	}
	if len(j.Sets) > 0 {
		rows = append(rows, []cell{left("SETS"), left(j.setsInWords(p))})
	}
	place := j.Repository.Directory
	if r := j.Repository; r.Free != nil {
		place += fmt.Sprintf("   %s of %s free", human.Size(*r.Free), human.Size(r.Size.is))
		if r.Growth.is > 0 {
			place += fmt.Sprintf(", +%s a day", human.Size(r.Growth.is))
		}
		if days := int(r.FullIn.is / (24 * 60 * 60)); days > 0 && days < 10*365 {
			place += fmt.Sprintf(": full in %s", formatCount(days, "day"))
		}
	}
	rows = append(rows, []cell{left("repository"), left(place)})
	if text := j.Proof.text(p.now); text != "" {
		rows = append(rows, []cell{left("proof"), left(text)})
	}
	if j.Drills != nil {
		rows = append(rows, []cell{left("drills"), left(j.Drills.words())})
	}
	if j.Scheduler != nil {
		rows = append(rows, []cell{left("scheduler"), left(j.Scheduler.inWords(p))})
	}
	return rows
}

// text says how old the oldest byte is that waits to be read again, if anything ever was.
func (proof judgedProof) text(now time.Time) string {
	if proof.Oldest == nil {
		return ""
	}
	text := "every stored byte was read within " + formatLong(now.Sub(*proof.Oldest))
	if proof.Never > 0 {
		text += fmt.Sprintf(", but of %s that no scrub looked through", formatCount(proof.Never, "volume"))
	}
	return text
}
