package repository

// readme is README.txt of every repository: for whoever finds the disk.
const readme = `This directory is a Varve repository: backups of block devices.

  varve -r . log                    lists the volumes
  varve -r . log VOLUME             lists the revisions of one
  varve -r . restore VOLUME FILE    writes the newest revision to a new file

Nothing else is needed: no other file of the host that made it, no key, no
service. A copy of the directory on read-only media restores as well.

  varve.json        what this repository is: format, keys, chunk size
  varve.json.copy   the same again
  volumes/          one folder a volume, one .rev file a revision; the name of
                    the file is the time it was begun, in UTC
  copies/           a second copy of each .rev
  sets/             which revisions of several volumes are of one moment
  packs/            the data, compressed
  journal/          what was done, when, by whom: text, one line each
  locks/ runs/ gc/ damage/ proofs/ trash/   its own bookkeeping

Nothing in here is to be renamed, edited or removed by hand. The format is
described, byte for byte, in Varve's docs/format.md.
`
