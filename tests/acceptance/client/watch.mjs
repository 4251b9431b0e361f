// A real Matrix client: one JSON command a line in, one JSON answer a line out. First line: {url, user, token}.
import { createInterface } from "node:readline";

for (const level of ["log", "info", "warn", "debug", "trace"]) console[level] = () => {};
const sdk = await import("matrix-js-sdk");
const { logger } = await import("matrix-js-sdk/lib/logger.js");
logger.disableAll?.();

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
const { url, user, token } = JSON.parse((await lines.next()).value);
const client = sdk.createClient({ baseUrl: url, userId: user, accessToken: token, timelineSupport: true });
const prepared = new Promise((done) => client.on("sync", (state) => state === "PREPARED" && done()));
await client.startClient({ initialSyncLimit: 100, threadSupport: false });
await prepared;
say({ ready: true });

function shown(room, event) {
    const content = event.getContent(); // with the newest edit applied, as this client shows it
    const pushes = client.getPushActionsForEvent(event, true) ?? {};
    const original = event.getOriginalContent();
    return {
        id: event.getId(),
        sender: event.getSender(),
        type: event.getType(),
        edit: event.isRelation("m.replace"),
        edited: event.replacingEventId() ?? null,
        redacted: event.isRedacted(),
        msgtype: content.msgtype ?? null,
        body: content.body ?? null,
        html: content.formatted_body ?? null,
        mentions: original["m.mentions"] ?? null,
        notifies: Boolean(pushes.notify),
        highlights: Boolean(pushes.tweaks?.highlight),
        reactions: (
            room.relations.getChildEventsForEvent(event.getId(), "m.annotation", "m.reaction")
                ?.getSortedAnnotationsByKey() ?? []
        ).map(([key, events]) => ({ key, senders: [...events].map((one) => one.getSender()) })),
    };
}

const commands = {
    rooms: () =>
        client.getRooms().map((room) => ({
            id: room.roomId,
            name: room.name,
            membership: room.getMyMembership(),
            members: room.getJoinedMembers().map((member) => member.userId),
            highlights: room.getUnreadNotificationCount("highlight") ?? 0,
        })),
    timeline: ({ room }) => {
        const found = client.getRoom(room);
        return (found?.getLiveTimeline().getEvents() ?? []).map((event) => shown(found, event));
    },
    join: async ({ room }) => (await client.joinRoom(room)).roomId,
    send: async ({ room, text }) =>
        (await client.sendMessage(room, { msgtype: "m.text", body: text, "m.mentions": {} })).event_id,
    edit: async ({ room, event, text }) =>
        (
            await client.sendMessage(room, {
                msgtype: "m.text",
                body: `* ${text}`,
                "m.new_content": { msgtype: "m.text", body: text },
                "m.relates_to": { rel_type: "m.replace", event_id: event },
            })
        ).event_id,
    react: async ({ room, event, key }) =>
        (
            await client.sendEvent(room, "m.reaction", {
                "m.relates_to": { rel_type: "m.annotation", event_id: event, key },
            })
        ).event_id,
    reply: async ({ room, event, text }) =>
        (
            await client.sendMessage(room, {
                msgtype: "m.text",
                body: text,
                "m.relates_to": { "m.in_reply_to": { event_id: event } },
            })
        ).event_id,
};

for await (const line of lines) {
    const { command, ...given } = JSON.parse(line);
    if (command === "quit") break;
    try {
        say({ answer: await commands[command](given) });
    } catch (error) {
        say({ error: String(error?.errcode ?? error?.message ?? error) });
    }
}
client.stopClient();
process.exit(0);
