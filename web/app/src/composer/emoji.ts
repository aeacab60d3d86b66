// A small set of emoji with names in both languages: `emoji english|中文`. Names are
// for searching, so they carry a few more words than a title would.

export interface Emoji {
  readonly emoji: string;
  readonly en: string;
  readonly zh: string;
  /** Both, in lower case. */
  readonly names: string;
}

export interface EmojiGroup {
  readonly name: "smileys" | "people" | "nature" | "food" | "activity" | "places" | "things" | "symbols";
  readonly items: readonly Emoji[];
}

const data: Record<EmojiGroup["name"], string> = {
  smileys: `😀 grinning happy|笑 开心
😃 smiling big eyes|大笑
😄 laughing smile|高兴
😁 beaming grin|嘻嘻
😆 squinting laugh|眯眼笑
😅 sweat smile relief|尴尬笑 汗
🤣 rolling laughing rofl|笑翻
😂 tears of joy lol|笑哭
🙂 slight smile|微笑
🙃 upside down|倒脸
😉 wink|眨眼
😊 blush smile|害羞 微笑
😇 angel halo|天使
🥰 in love hearts|喜爱
😍 heart eyes|花痴 爱心眼
🤩 star struck|崇拜
😘 kiss|飞吻
😋 yummy tasty|好吃 馋
😛 tongue|吐舌
😜 winking tongue|调皮
🤪 zany crazy|疯狂
🤑 money|发财
🤗 hug|抱抱
🤭 giggle hand|捂嘴笑
🤫 quiet shush|安静 嘘
🤔 thinking hmm|思考
🤐 zipped mouth|闭嘴
😐 neutral|无语
😑 expressionless|面无表情
😶 no mouth|沉默
😏 smirk|坏笑
😒 unamused|不高兴
🙄 eye roll|白眼
😬 grimace|龇牙
😌 relieved|放心
😔 pensive sad|难过
😪 sleepy|困
😴 sleeping|睡觉
😷 mask ill|口罩 生病
🤒 fever|发烧
🤕 hurt bandage|受伤
🤢 nauseous|恶心
🤧 sneeze|打喷嚏
🥵 hot|热
🥶 cold freezing|冷
🥴 woozy dizzy|晕
🤯 mind blown|震惊
🤠 cowboy|牛仔
🥳 party celebrate|派对 庆祝
😎 cool sunglasses|酷 墨镜
🤓 nerd|书呆子
😕 confused|困惑
😟 worried|担心
🙁 frown|不开心
😮 surprised wow|惊讶
😲 astonished|吃惊
😳 flushed|脸红
🥺 pleading please|求求
😨 fearful|害怕
😰 anxious sweat|焦虑
😢 crying sad|哭 伤心
😭 sobbing loud cry|大哭
😱 scream|尖叫
😞 disappointed|失望
😓 downcast sweat|汗
😩 weary|疲惫
😫 tired|累
🥱 yawn|打哈欠
😤 triumph huff|哼
😡 angry pouting|生气
😠 annoyed|恼火
🤬 swearing|骂人
😈 devil smile|小恶魔
💀 skull dead|骷髅
💩 poo|便便
🤡 clown|小丑
👻 ghost|鬼
👽 alien|外星人
🤖 robot|机器人
🙈 see no evil monkey|不看`,
  people: `👋 wave hello bye|挥手 你好 再见
✋ raised hand stop|举手
👌 ok|好的
✌️ victory peace|胜利
🤞 fingers crossed luck|祈祷好运
🤟 love you gesture|爱你
🤘 rock horns|摇滚
🤙 call me|打电话
👈 point left|左
👉 point right|右
👆 point up|上
👇 point down|下
👍 thumbs up yes like good|赞 好 同意
👎 thumbs down no bad|踩 不好
✊ fist|拳头
👊 fist bump punch|击拳
👏 clap applause|鼓掌
🙌 raising hands hooray|举双手 万岁
👐 open hands|张开手
🤝 handshake deal|握手
🙏 please thanks pray|谢谢 拜托
✍️ writing|写字
💪 strong muscle|加油 强壮
👀 eyes look|看 眼睛
🧠 brain|大脑
🫶 heart hands|比心
🤷 shrug|耸肩 不知道
🤦 facepalm|捂脸
🙋 raising hand me|我 举手
🙇 bow sorry|鞠躬 抱歉
💃 dancing woman|跳舞
🕺 dancing man|跳舞
🏃 running|跑步
🚶 walking|走路
👶 baby|宝宝
👩 woman|女人
👨 man|男人
👵 grandmother|奶奶
👴 grandfather|爷爷
👨‍👩‍👧 family|家庭
👩‍💻 technologist coder|程序员
🧑‍🍳 cook|厨师
🧑‍🚀 astronaut|宇航员
🎅 santa christmas|圣诞老人`,
  nature: `🐶 dog|狗
🐱 cat|猫
🐭 mouse|老鼠
🐰 rabbit|兔子
🦊 fox|狐狸
🐻 bear|熊
🐼 panda|熊猫
🐨 koala|考拉
🐯 tiger|老虎
🦁 lion|狮子
🐮 cow|牛
🐷 pig|猪
🐸 frog|青蛙
🐵 monkey|猴子
🐔 chicken|鸡
🐧 penguin|企鹅
🦆 duck|鸭子
🦉 owl|猫头鹰
🐺 wolf|狼
🐴 horse|马
🦄 unicorn|独角兽
🐝 bee|蜜蜂
🦋 butterfly|蝴蝶
🐢 turtle|乌龟
🐙 octopus|章鱼
🐬 dolphin|海豚
🐳 whale|鲸鱼
🐉 dragon|龙
🌵 cactus|仙人掌
🌲 tree|树
🌴 palm|棕榈
🌱 seedling sprout|发芽
🍀 clover luck|四叶草
🍁 maple autumn|枫叶
🌸 cherry blossom|樱花
🌹 rose|玫瑰
🌻 sunflower|向日葵
☀️ sun|太阳
🌙 moon|月亮
⭐ star|星星
⛅ cloudy|多云
🌧️ rain|下雨
⚡ lightning|闪电
❄️ snow|雪
🔥 fire hot|火
🌈 rainbow|彩虹
🌊 wave sea|海浪`,
  food: `🍎 apple|苹果
🍌 banana|香蕉
🍉 watermelon|西瓜
🍇 grapes|葡萄
🍓 strawberry|草莓
🍑 peach|桃子
🍋 lemon|柠檬
🥑 avocado|牛油果
🍅 tomato|西红柿
🌽 corn|玉米
🌶️ chili|辣椒
🍞 bread|面包
🧀 cheese|奶酪
🥚 egg|鸡蛋
🍔 burger|汉堡
🍟 fries|薯条
🍕 pizza|披萨
🌮 taco|玉米卷
🥟 dumpling|饺子
🍜 noodles ramen|面条
🍚 rice|米饭
🍣 sushi|寿司
🍝 spaghetti pasta|意面
🥗 salad|沙拉
🍦 ice cream|冰淇淋
🎂 birthday cake|生日蛋糕
🍰 cake|蛋糕
🍫 chocolate|巧克力
🍪 cookie|饼干
☕ coffee|咖啡
🍵 tea|茶
🧋 bubble tea|奶茶
🍺 beer|啤酒
🍷 wine|红酒
🥂 cheers|干杯
🥢 chopsticks|筷子`,
  activity: `⚽ football soccer|足球
🏀 basketball|篮球
🏓 table tennis|乒乓球
🏸 badminton|羽毛球
🎾 tennis|网球
🏊 swimming|游泳
🚴 cycling|骑车
🧘 yoga|瑜伽
🏆 trophy win|奖杯
🥇 gold medal first|金牌
🎮 game|游戏
🎲 dice|骰子
♟️ chess|国际象棋
🧩 puzzle|拼图
🎨 art paint|画画
🎵 music note|音乐
🎸 guitar|吉他
🎹 piano|钢琴
🎤 karaoke sing|唱歌
🎬 film movie|电影
📷 camera photo|相机
🎉 party tada celebrate|庆祝
🎊 confetti|彩带
🎁 gift present|礼物
🎈 balloon|气球
🧧 red envelope|红包
🎄 christmas tree|圣诞树
🏮 lantern|灯笼`,
  places: `🏠 house home|家
🏢 office|办公楼
🏥 hospital|医院
🏫 school|学校
🏖️ beach|海滩
🏔️ mountain|雪山
🌍 earth world|地球
🗺️ map|地图
🚗 car|汽车
🚕 taxi|出租车
🚌 bus|公交
🚆 train|火车
🚇 metro|地铁
🚲 bicycle|自行车
✈️ plane flight|飞机
🚀 rocket launch|火箭
🛸 ufo|飞碟
⛵ sailboat|帆船
🚑 ambulance|救护车
⛽ fuel|加油站
🚦 traffic light|红绿灯
🏕️ camping|露营
🌃 night city|夜景
🌅 sunrise|日出`,
  things: `⌚ watch|手表
📱 phone|手机
💻 laptop computer|电脑
⌨️ keyboard|键盘
🖨️ printer|打印机
💡 idea bulb|灯泡 主意
🔋 battery|电池
🔌 plug|插头
💰 money bag|钱袋
💳 card|银行卡
✉️ mail letter|信
📦 package|包裹
📅 calendar|日历
📌 pin|图钉
📎 paperclip|回形针
✏️ pencil|铅笔
📝 memo note|笔记
📚 books|书
📈 chart up|上涨
📉 chart down|下跌
🔍 search magnifier|搜索
🔒 lock|锁
🔑 key|钥匙
🔧 wrench tool|扳手
🔨 hammer|锤子
🧪 test tube|试管
💊 pill medicine|药
🛒 shopping cart|购物车
🕐 clock time|时钟
⏰ alarm|闹钟
⏳ hourglass wait|沙漏 等待
🔔 bell|铃铛
📣 megaphone|喇叭
👓 glasses|眼镜
👕 shirt|衣服
👟 shoe|鞋
👑 crown|皇冠
💎 gem diamond|钻石`,
  symbols: `❤️ red heart love|爱心 红心
🧡 orange heart|橙心
💛 yellow heart|黄心
💚 green heart|绿心
💙 blue heart|蓝心
💜 purple heart|紫心
🖤 black heart|黑心
💔 broken heart|心碎
💕 two hearts|双心
✨ sparkles|闪亮
💯 hundred perfect|满分
💥 boom|爆炸
💤 sleep zzz|睡
💬 speech bubble|对话
✅ check done yes|完成 对
☑️ checkbox|勾选
✔️ check mark|勾
❌ cross no wrong|错
❗ exclamation important|重要
❓ question|问号
⚠️ warning|警告
🚫 forbidden|禁止
⛔ no entry|禁止进入
♻️ recycle|回收
🆗 ok button|好
🆕 new|新
🔴 red circle|红圈
🟡 yellow circle|黄圈
🟢 green circle|绿圈
🔵 blue circle|蓝圈
⬆️ up arrow|上箭头
⬇️ down arrow|下箭头
➡️ right arrow|右箭头
⬅️ left arrow|左箭头
🔁 repeat|重复
➕ plus|加
➖ minus|减
♾️ infinity|无限
🏁 finish flag|终点
🚩 red flag|红旗`,
};

/** All emoji, in groups. */
export function emojiGroups(): EmojiGroup[] {
  return (Object.keys(data) as EmojiGroup["name"][]).map((name) => ({
    name,
    items: data[name].split("\n").map((line) => {
      const space = line.indexOf(" ");
      const [en = "", zh = ""] = line.slice(space + 1).split("|");
      return { emoji: line.slice(0, space), en, zh, names: `${en} ${zh}`.toLowerCase() };
    }),
  }));
}
