package main

// aboutSets is about volumes that are backed up together.
func (b *bench) aboutSets() {
	b.write("varve/varve.yaml", setYAML)
	b.says("check-config-sets", 0, "check-config")
	b.says("backup-alone", 2, "backup set/a")
	b.says("backup-all-set", 0, "backup --set pair")
	b.says("backup-all-set-failed", 2, "backup --set none")
	b.says("status-set", 0, "status")
	b.does("backup set/a --alone")
	b.says("status-set-apart", 0, "status")
	b.says("restore-set", 0, "restore --set pair DIR/*.set")
	b.says("restore-set-failed", 1, "restore --set pair DIR/*.set")
	b.write("varve/varve.yaml", "timezone: Asia/Kolkata\n")
}

const setYAML = `timezone: Asia/Kolkata
volumes:
  set/a: {source: DIR/disk}
  set/b: {source: DIR/other}
sets:
  pair: {volumes: [set/a, set/b], consistent: no}
`
