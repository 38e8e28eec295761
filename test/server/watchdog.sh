# Removes a test server when the test process is gone, however it went.
# The read ends when nobody holds the other end of the pipe any more: also after SIGKILL.
folder=$1
cat >/dev/null

# Renamed first: a server that is just being started writes its pid into the old folder, fails there, and does not run.
mv "$folder" "$folder.gone" || exit 0
pid=$(cat "$folder.gone/pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  turns=0
  lock=
  while kill -0 "$pid" 2>/dev/null; do
    # A dead server stays a zombie where no init reaps it, but its lock file goes with it.
    if [ -e "$folder.gone/data/postmaster.pid" ]; then lock=seen; elif [ -n "$lock" ]; then break; fi
    turns=$((turns + 1))
    [ "$turns" -eq 100 ] && kill -KILL "$pid"
    [ "$turns" -eq 120 ] && break
    sleep 0.1
  done
fi
# A copy into the folder may still be on its way when the test process is killed.
rm -rf "$folder.gone" || { sleep 1; rm -rf "$folder.gone"; }
